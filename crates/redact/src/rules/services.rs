//! Models, payments, chat, mail, monitoring and other services.

use super::Rule;
use super::example::{alnum, alone, base64, digits, hex, lower, uuid, within};
use super::value::{plausible, plausible_alnum};

/// Rules of services.
pub(super) const RULES: &[Rule] = &[
    // Models.
    token!(
        "openai-key",
        "API key of OpenAI",
        ["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-none-"],
        r"\bsk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{20,}",
        3.0,
        ["sk", "-proj-", &alnum(48)]
    ),
    token!(
        "openai-legacy-key",
        "older API key of OpenAI",
        ["t3blbkfj"],
        r"\bsk-(?:[A-Za-z0-9]{1,24}-)?[A-Za-z0-9]{20,80}T3BlbkFJ[A-Za-z0-9]{20,80}",
        3.0,
        ["sk", "-", &alnum(20), "T3Blbk", "FJ", &alnum(20)]
    ),
    token!(
        "anthropic-key",
        "API key of Anthropic",
        ["sk-ant-"],
        r"\bsk-ant-[A-Za-z0-9_\-]{19,}",
        3.0,
        ["sk", "-ant-api03-", &alnum(93), "AA"]
    ),
    token!(
        "openrouter-key",
        "API key of OpenRouter",
        ["sk-or-"],
        r"\bsk-or-(?:v1-)?[0-9a-zA-Z]{40,}",
        3.0,
        ["sk", "-or-v1-", &hex(64)]
    ),
    token!(
        "huggingface-token",
        "token of Hugging Face",
        ["hf_", "api_org_"],
        r"\b(?:hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,})",
        3.0,
        ["h", "f_", &alnum(34)]
    ),
    token!(
        "replicate-token",
        "API token of Replicate",
        ["r8_"],
        r"\br8_[A-Za-z0-9]{37,40}\b",
        3.0,
        ["r", "8_", &alnum(37)]
    ),
    token!("groq-key", "API key of Groq", ["gsk_"], r"\bgsk_[A-Za-z0-9]{40,}", 3.0, ["gs", "k_", &alnum(52)]),
    token!(
        "perplexity-key",
        "API key of Perplexity",
        ["pplx-"],
        r"\bpplx-[A-Za-z0-9]{40,}",
        3.0,
        ["pp", "lx-", &alnum(48)]
    ),
    token!("xai-key", "API key of xAI", ["xai-"], r"\bxai-[A-Za-z0-9_]{70,}", 3.0, ["xa", "i-", &alnum(80)]),
    named!(
        "cohere-key",
        "API key of Cohere",
        ["cohere", "co_api_key"],
        r"cohere|co_api_key",
        r"[A-Za-z0-9]{40}\b",
        3.0,
        "COHERE_API_KEY",
        &alnum(40)
    ),
    named!(
        "mistral-key",
        "API key of Mistral",
        ["mistral"],
        r"mistral",
        r"[A-Za-z0-9]{32}\b",
        3.0,
        "MISTRAL_API_KEY",
        &alnum(32)
    ),
    named!(
        "deepseek-key",
        "API key of DeepSeek",
        ["deepseek"],
        r"deepseek",
        r"sk-[a-z0-9]{32}\b",
        3.0,
        "DEEPSEEK_API_KEY",
        &format!("sk{}{}", "-", hex(32))
    ),
    rule!(
        "sk-key",
        "key that begins as those of many model services",
        ["sk-"],
        r"(?-u)(?<secret>\bsk-[A-Za-z0-9]{32,64}\b)",
        3.3,
        Certain,
        plausible_alnum,
        alone(&["sk", "-", &hex(32)])
    ),
    token!("fireworks-key", "API key of Fireworks", ["fw_"], r"\bfw_[A-Za-z0-9]{20,}\b", 3.2, ["f", "w_", &alnum(24)]),
    named!(
        "together-key",
        "API key of Together",
        ["together"],
        r"together",
        r"(?:tgp_v1_[A-Za-z0-9_\-]{40,}|[0-9a-f]{64}\b)",
        3.0,
        "TOGETHER_API_KEY",
        &hex(64)
    ),
    token!(
        "langsmith-key",
        "API key of LangSmith",
        ["lsv2_", "ls__"],
        r"\b(?:lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}|ls__[0-9a-f]{32})\b",
        3.0,
        ["ls", "v2_pt_", &hex(32), "_", &hex(10)]
    ),
    named!(
        "langfuse-key",
        "secret key of Langfuse",
        ["langfuse", "sk-lf-"],
        r"langfuse[_.\-]?secret",
        r"sk-lf-[0-9a-f\-]{36}",
        3.0,
        "LANGFUSE_SECRET_KEY",
        &["sk", "-lf-", &uuid()].concat()
    ),
    token!(
        "pinecone-key",
        "API key of Pinecone",
        ["pcsk_"],
        r"\bpcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50,}",
        3.0,
        ["pc", "sk_", &alnum(6), "_", &alnum(63)]
    ),
    token!(
        "elevenlabs-key",
        "API key of ElevenLabs",
        ["elevenlabs", "xi-api-key", " sk_", "=sk_", "\"sk_", "'sk_", ":sk_"],
        r"\bsk_[0-9a-f]{48}\b",
        3.0,
        ["s", "k_", &hex(48)]
    ),
    named!(
        "assemblyai-key",
        "API key of AssemblyAI or Deepgram",
        ["assemblyai", "deepgram"],
        r"assemblyai|deepgram",
        r"(?:[0-9a-f]{40}|[0-9a-f]{32})\b",
        3.0,
        "DEEPGRAM_API_KEY",
        &hex(40)
    ),
    token!(
        "tavily-key",
        "API key of Tavily",
        ["tvly-"],
        r"\btvly-(?:dev-|prod-)?[A-Za-z0-9]{30,}",
        3.0,
        ["tv", "ly-", &alnum(32)]
    ),
    token!("firecrawl-key", "API key of Firecrawl", ["fc-"], r"\bfc-[0-9a-f]{32}\b", 3.0, ["f", "c-", &hex(32)]),
    token!(
        "nvidia-key",
        "API key of NVIDIA",
        ["nvapi-"],
        r"\bnvapi-[A-Za-z0-9_\-]{60,}",
        3.0,
        ["nv", "api-", &alnum(64)]
    ),
    token!(
        "wandb-key",
        "API key of Weights & Biases",
        ["wandb_v1_"],
        r"\bwandb_v1_[A-Za-z0-9_]{40,}",
        3.0,
        ["wan", "db_v1_", &alnum(77)]
    ),
    named!(
        "wandb-named",
        "older API key of Weights & Biases",
        ["wandb"],
        r"wandb",
        r"[0-9a-f]{40}\b",
        3.0,
        "WANDB_API_KEY",
        &hex(40)
    ),
    // Payments and shops.
    token!(
        "stripe-key",
        "secret or restricted key of Stripe",
        ["sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "rk_prod_"],
        r"\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,}",
        3.0,
        ["sk", "_live_", &alnum(24)]
    ),
    token!(
        "stripe-webhook",
        "signing secret of a Stripe webhook",
        ["whsec_"],
        r"\bwhsec_[A-Za-z0-9+/=]{24,}",
        3.0,
        ["wh", "sec_", &alnum(32)]
    ),
    token!(
        "square-token",
        "access token of Square",
        ["eaaa", "sq0atp-"],
        r"\b(?:EAAA[A-Za-z0-9_\-]{60}|sq0atp-[A-Za-z0-9_\-]{22,})",
        3.0,
        ["sq", "0atp-", &alnum(22)]
    ),
    token!(
        "square-secret",
        "application secret of Square",
        ["sq0csp-"],
        r"\bsq0csp-[A-Za-z0-9_\-]{40,}",
        3.0,
        ["sq", "0csp-", &alnum(43)]
    ),
    token!(
        "paypal-token",
        "access token of Braintree",
        ["access_token$"],
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
        3.0,
        ["access", "_token$", "production$", &lower(16), "$", &hex(32)]
    ),
    named!(
        "paypal-secret",
        "client secret of PayPal",
        ["paypal"],
        r"paypal[a-z0-9_.\-]{0,12}secret",
        r"E[A-Za-z0-9_\-]{60,90}",
        3.0,
        "PAYPAL_CLIENT_SECRET",
        &format!("E{}", alnum(79))
    ),
    token!(
        "shopify-token",
        "token of Shopify",
        ["shpat_", "shpca_", "shppa_", "shpss_", "shprt_"],
        r"\bshp(?:at|ca|pa|ss|rt)_[0-9a-fA-F]{32}",
        3.0,
        ["sh", "pat_", &hex(32)]
    ),
    named!("plaid-secret", "secret of Plaid", ["plaid"], r"plaid", r"[0-9a-f]{30}\b", 3.0, "PLAID_SECRET", &hex(30)),
    token!(
        "plaid-token",
        "access token of Plaid",
        ["access-production-", "access-sandbox-", "access-development-"],
        r"access-(?:sandbox|development|production)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        ["access", "-production-", &uuid()]
    ),
    named!(
        "coinbase-secret",
        "secret of Coinbase",
        ["coinbase"],
        r"coinbase",
        r"[A-Za-z0-9_+/=\-]{64,88}",
        3.0,
        "COINBASE_API_SECRET",
        &base64(86)
    ),
    named!(
        "binance-secret",
        "key of a crypto exchange",
        ["binance", "kraken", "kucoin", "bybit", "bitfinex"],
        r"binance|kraken|kucoin|bybit|bitfinex",
        r"[A-Za-z0-9+/=\-]{36,90}",
        3.0,
        "BINANCE_SECRET_KEY",
        &alnum(64)
    ),
    token!(
        "adyen-key",
        "API key of Adyen",
        ["aqe"],
        r"\bAQE[A-Za-z0-9]{40,}[A-Za-z0-9+/=\-]{60,}",
        3.0,
        ["AQ", "E", &alnum(120)]
    ),
    token!(
        "razorpay-key",
        "key id of Razorpay",
        ["rzp_live_", "rzp_test_"],
        r"\brzp_(?:live|test)_[A-Za-z0-9]{14,}",
        3.0,
        ["rz", "p_live_", &alnum(14)]
    ),
    token!(
        "flutterwave-key",
        "secret key of Flutterwave",
        ["flwseck"],
        r"\bFLWSECK(?:_TEST|_LIVE)?-[0-9a-zA-Z]{32,}-X",
        3.0,
        ["FLW", "SECK-", &hex(32), "-X"]
    ),
    token!(
        "lob-key",
        "API key of Lob or Mollie",
        ["live_", "lob", "mollie"],
        r"\b(?:live|test)_(?:[0-9a-f]{35}|[A-Za-z0-9]{30})\b",
        3.3,
        ["li", "ve_", &hex(35)]
    ),
    token!(
        "easypost-key",
        "API key of EasyPost",
        ["ezak", "eztk"],
        r"\bEZ[AT]K[A-Za-z0-9]{54}\b",
        3.0,
        ["EZ", "AK", &alnum(54)]
    ),
    token!(
        "shippo-key",
        "token of Shippo",
        ["shippo_"],
        r"\bshippo_(?:live|test)_[0-9a-fA-F]{40}",
        3.0,
        ["ship", "po_live_", &hex(40)]
    ),
    token!(
        "duffel-key",
        "token of Duffel",
        ["duffel_"],
        r"\bduffel_(?:live|test)_[A-Za-z0-9_\-=]{43}",
        3.0,
        ["duf", "fel_live_", &alnum(43)]
    ),
    // Chat and mail.
    token!(
        "slack-token",
        "token of Slack",
        ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxo-", "xoxe", "xoxc-", "xoxd-"],
        r"\bxox(?:[abcdoprs]|e(?:\.xox[bp])?)-[A-Za-z0-9%/+=\-]{10,}",
        2.5,
        ["xo", "xb-", &digits(12), "-", &digits(13), "-", &alnum(24)]
    ),
    token!(
        "slack-app-token",
        "app token of Slack",
        ["xapp-"],
        r"\bxapp-\d-[A-Z0-9]+-\d+-[a-zA-Z0-9]{20,}",
        3.0,
        ["xa", "pp-1-A0", &digits(9), "-", &digits(12), "-", &hex(64)]
    ),
    rule!(
        "slack-webhook",
        "incoming webhook of Slack",
        ["hooks.slack.com"],
        r"(?-u)hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?<secret>[A-Za-z0-9+/]{40,64})",
        3.0,
        Certain,
        plausible,
        within(
            "https://hooks.slack.com/services/",
            &["T0", &digits(8), "/B0", &digits(8), "/", &alnum(24)].concat(),
            "\n"
        )
    ),
    named!(
        "slack-signing-secret",
        "signing secret of Slack",
        ["slack"],
        r"slack[_.\-]?(?:signing|client)[_.\-]?secret",
        r"[0-9a-f]{32}\b",
        3.0,
        "SLACK_SIGNING_SECRET",
        &hex(32)
    ),
    token!(
        "discord-token",
        "bot token of Discord",
        ["discord", "bot "],
        r"\b[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,38}",
        3.5,
        ["MT", &alnum(24), ".", "Gx7", "k2Q", ".", &alnum(38)],
        "DISCORD=",
        ""
    ),
    rule!(
        "discord-webhook",
        "webhook of Discord",
        ["/api/webhooks/"],
        r"(?-u)discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{17,20}/(?<secret>[A-Za-z0-9_\-]{60,})",
        3.0,
        Certain,
        plausible,
        within(&format!("https://discord.com/api/webhooks/{}/", digits(18)), &alnum(68), "\n")
    ),
    named!(
        "discord-secret",
        "client secret of Discord",
        ["discord"],
        r"discord[a-z0-9_.\-]{0,12}secret",
        r"[A-Za-z0-9=_\-]{32}\b",
        3.0,
        "DISCORD_CLIENT_SECRET",
        &alnum(32)
    ),
    rule!(
        "telegram-token",
        "bot token of Telegram",
        [":aa"],
        r"(?-u)(?<secret>\b\d{8,10}:AA[A-Za-z0-9_\-]{32,33})",
        3.0,
        Certain,
        plausible,
        alone(&[&digits(10), ":A", "A", &alnum(33)])
    ),
    rule!(
        "teams-webhook",
        "incoming webhook of Teams",
        [".webhook.office.com", "logic.azure.com"],
        r"(?-u)\.webhook\.office\.com/webhookb2/(?<secret>[0-9a-f@\-]{36,80}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f\-]{36}(?:/[A-Za-z0-9_\-]{20,})?)",
        3.0,
        Certain,
        plausible,
        within(
            "https://barn.webhook.office.com/webhookb2/",
            &format!("{}@{}/IncomingWebhook/{}/{}", uuid(), uuid(), hex(32), uuid()),
            "\n"
        )
    ),
    rule!(
        "google-chat-webhook",
        "webhook of Google Chat",
        ["chat.googleapis.com"],
        r"(?-u)chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_\-]+/messages\?key=[A-Za-z0-9_\-]+&token=(?<secret>[A-Za-z0-9_%=\-]{20,})",
        3.0,
        Certain,
        plausible,
        within("https://chat.googleapis.com/v1/spaces/AAA/messages?key=k&token=", &alnum(43), "\n")
    ),
    token!(
        "twilio-key",
        "API key of Twilio",
        [
            "sk0", "sk1", "sk2", "sk3", "sk4", "sk5", "sk6", "sk7", "sk8", "sk9", "ska", "skb", "skc", "skd", "ske",
            "skf"
        ],
        r"\bSK[0-9a-f]{32}\b",
        3.0,
        ["S", "K", &hex(32)]
    ),
    named!(
        "twilio-auth",
        "auth token of Twilio",
        ["twilio"],
        r"twilio",
        r"[0-9a-f]{32}\b",
        3.0,
        "TWILIO_AUTH_TOKEN",
        &hex(32)
    ),
    token!(
        "sendgrid-key",
        "API key of SendGrid",
        ["sg."],
        r"\bSG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}",
        3.0,
        ["S", "G.", &alnum(22), ".", &alnum(43)]
    ),
    token!("mailgun-key", "private key of Mailgun", ["key-"], r"\bkey-[0-9a-f]{32}\b", 3.0, ["ke", "y-", &hex(32)]),
    token!(
        "mailgun-new-key",
        "newer key of Mailgun",
        ["mailgun"],
        r"\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b",
        3.0,
        [&hex(32), "-", &hex(8), "-", &hex(9)[1..]],
        "MAILGUN_KEY=",
        ""
    ),
    token!(
        "mailchimp-key",
        "API key of Mailchimp",
        ["-us"],
        r"\b[0-9a-f]{32}-us\d{1,2}\b",
        3.0,
        [&hex(32), "-u", "s14"]
    ),
    named!(
        "postmark-token",
        "server token of Postmark",
        ["postmark"],
        r"postmark",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "POSTMARK_SERVER_TOKEN",
        &uuid()
    ),
    token!(
        "brevo-key",
        "API key of Brevo",
        ["xkeysib-", "xsmtpsib-"],
        r"\bx(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}\b",
        3.0,
        ["xkey", "sib-", &hex(64), "-", &alnum(16)]
    ),
    token!(
        "resend-key",
        "API key of Resend",
        ["resend", " re_", "=re_", "\"re_", "'re_", ":re_"],
        r"\bre_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}\b",
        3.0,
        ["r", "e_", &alnum(8), "_", &alnum(24)]
    ),
    named!(
        "mailjet-secret",
        "secret of Mailjet or SparkPost",
        ["mailjet", "sparkpost", "mandrill"],
        r"mailjet|sparkpost|mandrill",
        r"(?:md-)?[A-Za-z0-9_\-]{20,40}\b",
        3.0,
        "MAILJET_SECRET_KEY",
        &hex(32)
    ),
    named!(
        "messagebird-key",
        "key of a message service",
        ["messagebird", "vonage", "nexmo", "plivo"],
        r"messagebird|vonage|nexmo|plivo",
        r"[A-Za-z0-9]{16,40}\b",
        3.0,
        "MESSAGEBIRD_ACCESS_KEY",
        &alnum(25)
    ),
    token!(
        "knock-key",
        "key of Knock or Courier",
        ["pk_prod_", "sk_prod_", "dk_prod_"],
        r"\b[psd]k_prod_[A-Z0-9]{28,}",
        3.0,
        ["p", "k_prod_", &super::example::base32(28)]
    ),
    named!(
        "intercom-token",
        "token of Intercom or Zendesk",
        ["intercom", "zendesk", "freshdesk"],
        r"intercom|zendesk|freshdesk",
        r"[A-Za-z0-9=_]{20,60}\b",
        3.0,
        "ZENDESK_API_TOKEN",
        &alnum(40)
    ),
    // Monitoring.
    named!(
        "datadog-key",
        "API or application key of Datadog",
        ["datadog", "dd_api_key", "dd_app_key", "dd-api-key", "dd-application-key"],
        r"datadog|\bdd[_\-](?:api|app|application)[_\-]key",
        r"(?:[0-9a-f]{40}|[0-9a-f]{32})\b",
        3.0,
        "DD_API_KEY",
        &hex(32)
    ),
    token!(
        "datadog-pat",
        "application key of Datadog",
        ["ddapp_", "ddpat_"],
        r"\bdd(?:app|pat)_[A-Za-z0-9]{32,}",
        3.0,
        ["dd", "app_", &alnum(34)]
    ),
    token!(
        "newrelic-key",
        "key of New Relic",
        ["nrak-", "nrii-", "nrjs-", "nraa-", "nrra-"],
        r"\b(?:NRAK-[A-Z0-9]{27}|NRII-[A-Za-z0-9\-]{32}|NRJS-[0-9a-f]{19}|NRAA-[0-9a-f]{27}|NRRA-[0-9a-f]{42})",
        2.8,
        ["NR", "AK-", &super::example::base32(27)]
    ),
    named!(
        "newrelic-license",
        "license key of New Relic",
        ["new_relic", "newrelic"],
        r"new[_\-]?relic",
        r"(?:eu01xx)?[0-9a-f]{34,40}(?:NRAL)?\b",
        3.0,
        "NEW_RELIC_LICENSE_KEY",
        &[hex(36), "NR".to_owned(), "AL".to_owned()].concat()
    ),
    token!(
        "sentry-token",
        "token of Sentry",
        ["sntrys_", "sntryu_"],
        r"\bsntry(?:s_ey[A-Za-z0-9+/=_]{80,}|u_[0-9a-f]{64})",
        3.0,
        ["sn", "tryu_", &hex(64)]
    ),
    named!(
        "sentry-named",
        "older token of Sentry",
        ["sentry"],
        r"sentry",
        r"[0-9a-f]{64}\b",
        3.0,
        "SENTRY_AUTH_TOKEN",
        &hex(64)
    ),
    token!(
        "grafana-token",
        "token of Grafana",
        ["glsa_", "glc_"],
        r"\b(?:glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|glc_[A-Za-z0-9+/]{32,}={0,3})",
        3.0,
        ["gl", "sa_", &alnum(32), "_", &hex(8)]
    ),
    token!(
        "grafana-key",
        "API key of Grafana",
        ["eyjrijoi"],
        r"\beyJrIjoi[A-Za-z0-9]{60,}={0,3}",
        3.0,
        ["eyJr", "Ijoi", &alnum(80)]
    ),
    named!(
        "pagerduty-key",
        "key of PagerDuty",
        ["pagerduty", "routing_key"],
        r"pagerduty|routing_key|service_key",
        r"(?:[uy]\+[A-Za-z0-9_\-]{18}|[0-9a-zA-Z_\-]{20}\b|[0-9a-f]{32}\b)",
        3.0,
        "PAGERDUTY_ROUTING_KEY",
        &hex(32)
    ),
    token!(
        "dynatrace-token",
        "token of Dynatrace",
        ["dt0c01.", "dt0s0"],
        r"\bdt0[cs]\d{2}\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}",
        3.0,
        ["dt", "0c01.", &super::example::base32(24), ".", &super::example::base32(64)]
    ),
    token!(
        "honeycomb-key",
        "key of Honeycomb",
        ["hcaik_", "hcbik_", "hcxik_", "hcaid_"],
        r"\bhc[abx]ik_[0-9a-z]{40,}",
        3.0,
        ["hca", "ik_", &lower(58)]
    ),
    named!(
        "rollbar-token",
        "token of Rollbar, Bugsnag or Honeybadger",
        ["rollbar", "bugsnag", "honeybadger"],
        r"rollbar|bugsnag|honeybadger",
        r"[0-9a-f]{32}\b",
        3.0,
        "ROLLBAR_ACCESS_TOKEN",
        &hex(32)
    ),
    named!(
        "sumologic-key",
        "key of Sumo Logic or Loggly",
        ["sumo", "loggly", "logdna", "logzio", "papertrail"],
        r"sumo(?:logic)?|loggly|logdna|logzio|papertrail",
        r"[A-Za-z0-9\-]{32,64}\b",
        3.0,
        "SUMOLOGIC_ACCESS_KEY",
        &alnum(64)
    ),
    named!(
        "opsgenie-key",
        "API key of Opsgenie",
        ["opsgenie", "geniekey"],
        r"opsgenie|geniekey",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "OPSGENIE_API_KEY",
        &uuid()
    ),
    token!(
        "posthog-key",
        "personal key of PostHog",
        ["phx_", "phs_"],
        r"\bph[xs]_[A-Za-z0-9]{40,}",
        3.0,
        ["ph", "x_", &alnum(43)]
    ),
    named!(
        "amplitude-key",
        "secret of Amplitude, Mixpanel or Segment",
        ["amplitude", "mixpanel", "segment"],
        r"(?:amplitude|mixpanel|segment)[a-z0-9_.\-]{0,12}(?:secret|key|token)",
        r"[A-Za-z0-9]{32}\b",
        3.0,
        "MIXPANEL_SECRET",
        &hex(32)
    ),
    named!(
        "launchdarkly-key",
        "key of LaunchDarkly",
        ["launchdarkly", "ld_sdk"],
        r"launchdarkly|ld_sdk_key",
        r"(?:sdk|api|mob)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "LAUNCHDARKLY_SDK_KEY",
        &format!("sdk-{}", uuid())
    ),
    token!(
        "launchdarkly-token",
        "key of LaunchDarkly",
        ["sdk-", "mob-"],
        r"\b(?:sdk|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        3.0,
        ["sd", "k-", &uuid()]
    ),
    // Work.
    token!(
        "linear-key",
        "API key of Linear",
        ["lin_api_", "lin_oauth_", "lin_wh_"],
        r"\blin_(?:api|oauth|wh)_[A-Za-z0-9]{32,}",
        3.0,
        ["lin", "_api_", &alnum(40)]
    ),
    token!("notion-token", "token of Notion", ["ntn_"], r"\bntn_[A-Za-z0-9]{40,}", 3.0, ["nt", "n_", &alnum(46)]),
    token!(
        "notion-secret",
        "older token of Notion",
        ["secret_"],
        r"\bsecret_[A-Za-z0-9]{43}\b",
        3.3,
        ["sec", "ret_", &alnum(43)]
    ),
    token!(
        "figma-token",
        "token of Figma",
        ["figd_", "figu_", "figo_"],
        r"\bfig[duo]_[A-Za-z0-9_\-]{36,}",
        3.0,
        ["fi", "gd_", &alnum(40)]
    ),
    token!(
        "atlassian-token",
        "API token of Atlassian",
        ["atatt3"],
        r"\bATATT3[A-Za-z0-9_\-=]{60,}",
        3.0,
        ["ATA", "TT3", &alnum(180)]
    ),
    named!(
        "atlassian-named",
        "older API token of Atlassian",
        ["jira", "confluence", "atlassian"],
        r"jira|confluence|atlassian",
        r"[A-Za-z0-9]{24}\b",
        3.3,
        "JIRA_API_TOKEN",
        &alnum(24)
    ),
    token!(
        "asana-token",
        "personal token of Asana",
        ["asana"],
        r"\b[012]/\d{15,17}(?:/\d{15,17})?:[0-9a-f]{32}\b",
        3.0,
        ["1", "/", &digits(16), ":", &hex(32)],
        "ASANA_TOKEN=",
        ""
    ),
    token!(
        "airtable-token",
        "token of Airtable",
        ["airtable"],
        r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}\b",
        3.0,
        ["pa", "t", &alnum(14), ".", &hex(64)],
        "AIRTABLE_TOKEN=",
        ""
    ),
    named!(
        "airtable-key",
        "older API key of Airtable",
        ["airtable"],
        r"airtable",
        r"key[A-Za-z0-9]{14}\b",
        3.0,
        "AIRTABLE_API_KEY",
        &format!("key{}", alnum(14))
    ),
    token!(
        "clickup-token",
        "token of ClickUp",
        ["pk_"],
        r"\bpk_\d{5,10}_[A-Z0-9]{32}\b",
        3.0,
        ["p", "k_", &digits(8), "_", &super::example::base32(32)]
    ),
    token!(
        "hubspot-token",
        "token of HubSpot",
        ["pat-na", "pat-eu"],
        r"\bpat-(?:na|eu)\d-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b",
        3.0,
        ["pa", "t-na1-", &uuid()]
    ),
    token!(
        "salesforce-token",
        "session of Salesforce",
        ["00d"],
        r"\b00D[A-Za-z0-9]{12,15}![A-Za-z0-9_.]{60,}",
        3.0,
        ["00", "D", &alnum(12), "!", &alnum(96)]
    ),
    token!(
        "dropbox-token",
        "token of Dropbox",
        ["sl.b", "sl.u.", "dropbox"],
        r"\bsl\.(?:u\.)?[A-Za-z0-9_\-]{120,}",
        3.0,
        ["s", "l.B", &alnum(135)]
    ),
    token!(
        "contentful-token",
        "token of Contentful",
        ["cfpat-"],
        r"\bCFPAT-[A-Za-z0-9_\-]{40,}",
        3.0,
        ["CF", "PAT-", &alnum(43)]
    ),
    token!(
        "postman-key",
        "API key of Postman",
        ["pmak-"],
        r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}\b",
        3.0,
        ["PM", "AK-", &hex(24), "-", &hex(34)]
    ),
    token!(
        "typeform-token",
        "token of Typeform",
        ["tfp_"],
        r"\btfp_[A-Za-z0-9_.\-]{40,59}",
        3.0,
        ["tf", "p_", &alnum(44)]
    ),
    token!(
        "frameio-token",
        "token of Frame.io",
        ["fio-u-"],
        r"\bfio-u-[A-Za-z0-9_=\-]{60,}",
        3.0,
        ["fi", "o-u-", &alnum(64)]
    ),
    token!(
        "beamer-key",
        "key of Beamer",
        ["beamer"],
        r"\bb_[A-Za-z0-9=_\-]{44}\b",
        3.8,
        ["b", "_", &alnum(44)],
        "BEAMER_KEY=",
        ""
    ),
    named!(
        "algolia-key",
        "API key of Algolia",
        ["algolia"],
        r"algolia",
        r"[0-9a-f]{32}\b",
        3.0,
        "ALGOLIA_ADMIN_KEY",
        &hex(32)
    ),
    named!(
        "mapbox-secret",
        "secret token of Mapbox",
        ["mapbox"],
        r"mapbox",
        r"sk\.eyJ[A-Za-z0-9_\-]{60,}\.[A-Za-z0-9_\-]{20,}",
        3.0,
        "MAPBOX_TOKEN",
        &["s", "k.eyJ", &alnum(80), ".", &alnum(22)].concat()
    ),
    named!(
        "facebook-secret",
        "app secret of Facebook",
        ["facebook", "fb_app", "meta_app"],
        r"facebook|fb_app|meta_app",
        r"[0-9a-f]{32}\b",
        3.0,
        "FACEBOOK_APP_SECRET",
        &hex(32)
    ),
    token!(
        "facebook-token",
        "access token of Facebook",
        ["eaa"],
        r"\bEAA(?:[MC]|BsbCS)[A-Za-z0-9]{60,}",
        3.0,
        ["EA", "AC", &alnum(120)]
    ),
    named!(
        "twitter-secret",
        "secret of X",
        ["twitter"],
        r"twitter[a-z0-9_.\-]{0,20}(?:secret|token|key)",
        r"(?:\d{15,20}-)?[A-Za-z0-9]{25,60}\b",
        3.0,
        "TWITTER_API_SECRET",
        &alnum(50)
    ),
    token!(
        "twitter-bearer",
        "bearer token of X",
        ["aaaaaaaaa"],
        r"\bA{20,24}[A-Za-z0-9%]{60,}",
        3.0,
        [&"A".repeat(22), &alnum(80)]
    ),
    named!(
        "linkedin-secret",
        "client secret of LinkedIn",
        ["linkedin"],
        r"linkedin[a-z0-9_.\-]{0,12}secret",
        r"(?:WPL_AP\d\.)?[A-Za-z0-9=./]{16,40}",
        3.0,
        "LINKEDIN_CLIENT_SECRET",
        &alnum(16)
    ),
    named!(
        "okta-token",
        "API token of Okta",
        ["okta", "ssws"],
        r"okta",
        r"00[A-Za-z0-9_\-]{40}\b",
        3.0,
        "OKTA_API_TOKEN",
        &format!("00{}", alnum(40))
    ),
    named!(
        "auth0-secret",
        "client secret of Auth0",
        ["auth0"],
        r"auth0[a-z0-9_.\-]{0,16}secret",
        r"[A-Za-z0-9_\-]{48,64}",
        3.0,
        "AUTH0_CLIENT_SECRET",
        &alnum(64)
    ),
    token!(
        "clerk-key",
        "secret key of an application that signs users in",
        ["sk_live_", "sk_test_"],
        r"\bsk_(?:live|test)_[A-Za-z0-9]{40,}",
        3.0,
        ["s", "k_test_", &alnum(42)]
    ),
    named!(
        "workos-key",
        "API key of WorkOS",
        ["workos"],
        r"workos",
        r"sk_[A-Za-z0-9_]{20,}",
        3.0,
        "WORKOS_API_KEY",
        &["s", "k_a2V5", &alnum(40)].concat()
    ),
    token!(
        "customerio-key",
        "key of Customer.io or of a queue",
        ["sig1_", "qstash_"],
        r"\b(?:sig1|qstash)_[A-Za-z0-9]{28,}",
        3.0,
        ["qst", "ash_", &alnum(32)]
    ),
    rule!(
        "zapier-webhook",
        "webhook of Zapier",
        ["hooks.zapier.com"],
        r"(?-u)hooks\.zapier\.com/hooks/catch/(?<secret>\d{4,10}/[a-z0-9]{5,12})",
        2.0,
        Certain,
        super::value::plausible_password,
        within("https://hooks.zapier.com/hooks/catch/", &format!("{}/{}", digits(8), lower(7)), "/\n")
    ),
    token!(
        "apify-token",
        "token of Apify",
        ["apify_api_"],
        r"\bapify_api_[A-Za-z0-9]{34,}",
        3.0,
        ["api", "fy_api_", &alnum(36)]
    ),
    token!(
        "rapidapi-key",
        "key of RapidAPI",
        ["msh"],
        r"\b[0-9a-f]{10}msh[0-9a-f]{15}p1[0-9a-f]{5}jsn[0-9a-f]{12}\b",
        3.0,
        [&hex(10), "ms", "h", &hex(15), "p1", &hex(5), "js", "n", &hex(12)]
    ),
    named!(
        "trello-key",
        "key of Trello",
        ["trello"],
        r"trello",
        r"(?:ATTA)?[0-9a-f]{32,72}\b",
        3.0,
        "TRELLO_TOKEN",
        &hex(64)
    ),
    named!(
        "spotify-secret",
        "client secret of Spotify",
        ["spotify"],
        r"spotify",
        r"[0-9a-f]{32}\b",
        3.0,
        "SPOTIFY_CLIENT_SECRET",
        &hex(32)
    ),
    named!(
        "twitch-secret",
        "secret of Twitch",
        ["twitch"],
        r"twitch",
        r"(?:oauth:)?[a-z0-9]{30}\b",
        3.0,
        "TWITCH_CLIENT_SECRET",
        &lower(30)
    ),
    named!(
        "alchemy-key",
        "key of a node provider",
        ["alchemy", "infura", "etherscan", "moralis", "quicknode"],
        r"alchemy|infura|etherscan|moralis|quicknode",
        r"[A-Za-z0-9_\-]{32,40}\b",
        3.0,
        "INFURA_API_KEY",
        &hex(32)
    ),
    named!(
        "maxmind-key",
        "license key of MaxMind",
        ["maxmind", "geoip"],
        r"maxmind|geoip",
        r"(?:[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|[A-Za-z0-9]{16}\b)",
        3.0,
        "MAXMIND_LICENSE_KEY",
        &format!("{}_{}_mmk", alnum(6), alnum(29))
    ),
    token!(
        "ably-key",
        "key of Ably",
        ["ably"],
        r"\b[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{6}:[A-Za-z0-9_\-]{22,43}\b",
        3.5,
        [&alnum(6), ".", &alnum(6)[..5], "k:", &alnum(43)],
        "ABLY_KEY=",
        ""
    ),
    named!(
        "upstash-token",
        "token of Upstash",
        ["upstash"],
        r"upstash[a-z0-9_.\-]{0,16}token",
        r"[A-Za-z0-9_\-]{30,}={0,2}",
        3.0,
        "UPSTASH_REDIS_REST_TOKEN",
        &alnum(56)
    ),
    token!(
        "convex-key",
        "deploy key of Convex",
        ["prod:", "dev:", "preview:"],
        r"\b(?:prod|dev|preview):[a-z]+-[a-z]+-\d{2,4}\|[A-Za-z0-9+/=_\-]{40,}",
        3.0,
        ["prod", ":brave-otter-123|", &alnum(60)]
    ),
    token!("neon-key", "API key of Neon", ["napi_"], r"\bnapi_[a-z0-9]{40,}", 3.0, ["na", "pi_", &lower(64)]),
    token!(
        "liveblocks-key",
        "key of Liveblocks",
        ["sk_prod_", "sk_dev_"],
        r"\bsk_(?:prod|dev)_[A-Za-z0-9_\-]{40,}",
        3.0,
        ["s", "k_dev_", &alnum(56)]
    ),
    token!(
        "deno-token",
        "token of Deno Deploy",
        ["ddp_", "ddo_", "ddw_"],
        r"\bdd[pow]_[A-Za-z0-9]{36}\b",
        3.0,
        ["dd", "p_", &alnum(36)]
    ),
    token!(
        "trigger-key",
        "token of a trigger service",
        ["tr_dev_", "tr_prod_", "tr_pat_"],
        r"\btr_(?:dev|prod|stg|pat)_[A-Za-z0-9]{20,}",
        3.0,
        ["t", "r_dev_", &alnum(24)]
    ),
    token!(
        "inngest-key",
        "signing key of Inngest",
        ["signkey-"],
        r"\bsignkey-(?:prod|test|branch)-[0-9a-f]{32,64}",
        3.0,
        ["sign", "key-prod-", &hex(64)]
    ),
    named!(
        "sanity-token",
        "token of Sanity",
        ["sanity"],
        r"sanity",
        r"sk[A-Za-z0-9]{60,}\b",
        3.0,
        "SANITY_API_TOKEN",
        &["s", "k", &alnum(80)].concat()
    ),
    named!(
        "ghost-key",
        "admin key of Ghost",
        ["ghost"],
        r"ghost",
        r"[0-9a-f]{24}:[0-9a-f]{64}",
        3.0,
        "GHOST_ADMIN_API_KEY",
        &format!("{}:{}", hex(24), hex(64))
    ),
    named!(
        "elastic-key",
        "API key of Elastic",
        ["elastic"],
        r"elastic[a-z0-9_.\-]{0,12}(?:key|password)",
        r"[A-Za-z0-9+/_\-]{20,64}={0,2}",
        3.0,
        "ELASTIC_API_KEY",
        &base64(58)
    ),
    named!(
        "confluent-secret",
        "secret of Confluent",
        ["confluent", "kafka"],
        r"confluent|kafka[a-z0-9_.\-]{0,10}(?:secret|password)",
        r"(?:cflt)?[A-Za-z0-9+/]{60,64}",
        3.0,
        "CONFLUENT_API_SECRET",
        &base64(64)
    ),
    token!(
        "nostr-key",
        "secret key of Nostr",
        ["nsec1"],
        r"\bnsec1[023456789acdefghjklmnpqrstuvwxyz]{58}\b",
        3.0,
        ["ns", "ec1", &lower(58).replace(['b', 'i', 'o', '1'], "q")]
    ),
];
