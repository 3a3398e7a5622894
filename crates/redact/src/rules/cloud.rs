//! Clouds, hosts and platforms.

use super::Rule;
use super::example::{alnum, alone, base32, base64, encoded, hex, lower, uuid, within};
use super::value::{plausible, plausible_mixed, plausible_password};

/// Rules of clouds.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "aws-access-key",
        "access key id of AWS",
        ["akia", "asia", "abia", "acca", "a3t"],
        r"(?-u)(?<secret>\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b)",
        2.5,
        Certain,
        plausible,
        alone(&["AK", "IA", &base32(16)])
    ),
    rule!(
        "aws-secret-key",
        "secret access key of AWS, named",
        ["secret", "aws"],
        r#"(?i-u)(?:aws|amazon|s3|secret)[a-z0-9_.\- ]{0,24}(?:key|secret)[a-z0-9_.\-]{0,8}[\\"'`]{0,4}\s{0,4}(?:=>|:=|[:=,])\s{0,4}[\\"'`]{0,4}(?<secret>[A-Za-z0-9/+]{40})(?:[\\"'`\s,;=)}]|$)"#,
        3.5,
        Certain,
        plausible_mixed,
        within("aws_secret_access_key = ", &base64(40), "\n")
    ),
    rule!(
        "aws-secret-near-id",
        "forty characters beside an access key id of AWS",
        ["akia", "asia"],
        r#"(?-u)\b(?:AKIA|ASIA)[A-Z2-7]{16}\b[\t\n\r -~]{0,300}?[ \t\n"'`,;:=|>(\[](?<secret>[A-Za-z0-9/+]{40})(?:[\\"'`\s,;|=)}<\]]|$)"#,
        3.5,
        Certain,
        plausible_mixed,
        within(&["AK", "IA", &base32(16), " : "].concat(), &base64(40), "\n")
    ),
    rule!(
        "aws-secret-before-id",
        "forty characters not far before an access key id of AWS",
        ["akia", "asia"],
        r#"(?-u)(?:^|[ \t\n"'`,;:=|>(\[])(?<secret>[A-Za-z0-9/+]{40})[ \t\n\r"'`,;:|<)}\]\\][\t\n\r -~]{0,110}?\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"#,
        3.5,
        Certain,
        plausible_mixed,
        within("pair: ", &base64(40), &[" of AK", "IA", &base32(16), "\n"].concat())
    ),
    rule!(
        "aws-secret-after-name",
        "forty characters of base64 not far behind the name of a secret key of AWS",
        ["aws"],
        r"(?i-u)\baws[_\- ]?secret[ -~\t\n]{0,80}?[ -.:-@\[-`{-~\t\n](?<secret>[A-Za-z0-9/+]{40})(?:[ -.:-@\[-`{-~\t\r\n]|$)",
        4.0,
        Likely,
        plausible_mixed,
        within("aws-secret-key: here it is: ", &base64(40), " thanks")
    ),
    rule!(
        "aws-secret-before-name",
        "forty characters of base64 before the name of a secret key of AWS",
        ["aws"],
        r"(?i-u)(?:^|[ -*,.:-@\[-`{-~\t\n])(?<secret>[A-Za-z0-9/+]{40})[ -*,.:-@\[-`{-~\t\r\n][ -~]{0,24}\baws[_\- ]?secret",
        4.0,
        Likely,
        plausible_mixed,
        within("printf '", &base64(40), "' # aws-secret-key")
    ),
    rule!(
        "aws-session-token",
        "session token of AWS",
        ["session_token", "sessiontoken", "session-token", "security-token"],
        r#"(?i-u)(?:aws[_.\-]?session[_.\-]?token|session[_.\-]?token|x-amz-security-token)[\\"'`]{0,4}\s{0,4}[:=]\s{0,4}[\\"'`]{0,4}(?<secret>[A-Za-z0-9/+=_%\-]{80,})"#,
        3.5,
        Certain,
        plausible,
        within("AWS_SESSION_TOKEN=", &base64(240), "\n")
    ),
    token!(
        "aws-bedrock-key",
        "API key of Amazon Bedrock",
        ["absk", "bedrock-api-key-"],
        r"(?:\bABSK[A-Za-z0-9+/]{100,}={0,2}|bedrock-api-key-[A-Za-z0-9+/]{20,}={0,2})",
        3.0,
        ["AB", "SK", &base64(128)]
    ),
    rule!(
        "aws-mws-key",
        "key of Amazon MWS",
        ["amzn.mws."],
        r"(?-u)(?<secret>amzn\.mws\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        3.0,
        Certain,
        plausible,
        alone(&["amzn", ".mws.", &uuid()])
    ),
    token!("google-api-key", "API key of Google", ["aiza"], r"AIza[A-Za-z0-9_\-]{35}", 3.0, ["AI", "za", &alnum(35)]),
    token!(
        "google-oauth-secret",
        "OAuth client secret of Google",
        ["gocspx-"],
        r"GOCSPX-[A-Za-z0-9_\-]{28}",
        3.0,
        ["GOC", "SPX-", &alnum(28)]
    ),
    token!(
        "google-oauth-token",
        "OAuth access token of Google",
        ["ya29."],
        r"\bya29\.[A-Za-z0-9_\-]{20,}",
        3.0,
        ["ya", "29.", &alnum(60)]
    ),
    token!(
        "google-refresh-token",
        "OAuth refresh token of Google",
        ["1//"],
        r"\b1//0[A-Za-z0-9_\-]{40,}",
        3.0,
        ["1/", "/0", &alnum(60)]
    ),
    rule!(
        "gcp-service-account",
        "private key of a service account of Google Cloud",
        ["private_key"],
        r#"(?-u)private_key\\{0,6}"\s{0,4}:\s{0,4}\\{0,6}"(?<secret>-----BEGIN[A-Za-z0-9+/=\\ \-]{40,}-----)"#,
        3.0,
        Certain,
        super::value::is_pem,
        within(
            "{\"private_key\": \"",
            &format!("-----{} PRIVATE KEY-----\\n{}\\n-----{} PRIVATE KEY-----", "BEGIN", base64(64), "END"),
            "\\n\"}"
        )
    ),
    named!(
        "gcp-private-key-id",
        "id of a private key of Google Cloud",
        ["private_key_id"],
        "private_key_id",
        r"[0-9a-f]{40}\b",
        3.0,
        "private_key_id",
        &hex(40)
    ),
    token!(
        "firebase-server-key",
        "server key of Firebase",
        ["aaaa"],
        r"\bAAAA[A-Za-z0-9_\-]{7}:APA91[A-Za-z0-9_\-]{120,}",
        3.0,
        ["AA", "AA", &alnum(7), ":APA", "91", &alnum(134)]
    ),
    rule!(
        "azure-storage-key",
        "account key of Azure Storage, Service Bus or Cosmos",
        ["accountkey", "sharedaccesskey", "account_key", "accesskey"],
        r#"(?i-u)(?:account[_\-]?key|shared[_\-]?access[_\-]?key|accesskey)[\\"'`]{0,4}\s{0,4}[:=]\s{0,4}[\\"'`]{0,4}(?<secret>[A-Za-z0-9+/]{42,}={0,2})"#,
        3.5,
        Certain,
        plausible,
        within("DefaultEndpointsProtocol=https;AccountName=barn;AccountKey=", &format!("{}==", base64(86)), ";")
    ),
    rule!(
        "azure-sas",
        "signature of a shared access address of Azure",
        ["sig="],
        r"(?-u)[?&;]sig=(?<secret>[A-Za-z0-9+/%]{40,}(?:=|%3[Dd])?)",
        3.0,
        Certain,
        plausible,
        within("https://barn.blob.core.windows.net/c?sv=2024-01-01&sig=", &format!("{}%3D", alnum(43)), "&se=2030")
    ),
    token!(
        "azure-client-secret",
        "client secret of Entra",
        ["q~"],
        r"\b[A-Za-z0-9_~.\-]{3}[78]Q~[A-Za-z0-9_~.\-]{31,34}",
        3.0,
        [&alnum(3), "8", "Q~", &alnum(34)]
    ),
    named!(
        "azure-named-secret",
        "client secret of Azure, named",
        ["azure", "arm_client"],
        r"(?:azure|arm)[_.\-]?client[_.\-]?secret",
        r"[A-Za-z0-9_~.\-]{30,48}",
        3.0,
        "AZURE_CLIENT_SECRET",
        &alnum(40)
    ),
    named!(
        "azure-cognitive-key",
        "key of an Azure AI service",
        ["azure", "cognitive", "ocp-apim"],
        r"azure|cognitive|ocp-apim-subscription",
        r"(?:[0-9a-f]{32}|[A-Za-z0-9]{84})\b",
        3.0,
        "AZURE_OPENAI_API_KEY",
        &hex(32)
    ),
    token!(
        "azure-new-key",
        "key of Azure with its mark",
        ["jqqj", "ackr", "+ast", "+acr", "acdb"],
        r"[A-Za-z0-9+/]{32,76}(?:JQQJ99[A-Za-z0-9]{6,40}|\+AMC[A-Za-z0-9+/=]{4,8}|\+ASt[A-Za-z0-9+/=]{4,8}|\+ACR[A-Za-z0-9+/=]{4,8}|ACDb[A-Za-z0-9+/=]{4,8})",
        3.0,
        [&alnum(52), "JQ", "QJ99", &alnum(26)]
    ),
    token!(
        "cloudflare-origin-key",
        "origin CA key of Cloudflare",
        ["v1.0-"],
        r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}",
        3.0,
        ["v1", ".0-", &hex(24), "-", &hex(146)]
    ),
    named!(
        "cloudflare-global-key",
        "global API key of Cloudflare",
        ["cloudflare", "cf_api", "cf_key", "x-auth-key"],
        r"cloudflare|\bcf[_\-](?:api[_\-])?key|x-auth-key",
        r"[0-9a-f]{37}\b",
        3.0,
        "CLOUDFLARE_API_KEY",
        &hex(37)
    ),
    named!(
        "cloudflare-token",
        "API token of Cloudflare",
        ["cloudflare", "cf_api", "cf_token"],
        r"cloudflare|\bcf[_\-](?:api[_\-])?token",
        r"(?:cfut_)?[A-Za-z0-9_\-]{40}\b",
        3.0,
        "CLOUDFLARE_API_TOKEN",
        &alnum(40)
    ),
    rule!(
        "cloudflared-token",
        "token of a Cloudflare tunnel",
        ["cloudflared", "tunnel"],
        r#"(?i-u)(?:cloudflared|tunnel)[a-z0-9_ \-]{0,40}(?:token)[=: \\"']{1,6}(?<secret>eyJ[A-Za-z0-9_\-]{60,}={0,2})"#,
        3.0,
        Certain,
        plausible,
        within(
            "cloudflared tunnel run --token ",
            &encoded(&format!("{{\"a\":\"{}\",\"t\":\"{}\"}}", hex(32), uuid())),
            "\n"
        )
    ),
    token!(
        "digitalocean-token",
        "token of DigitalOcean",
        ["dop_v1_", "doo_v1_", "dor_v1_"],
        r"do[opr]_v1_[0-9a-f]{64}",
        3.0,
        ["do", "p_v1_", &hex(64)]
    ),
    named!(
        "digitalocean-spaces",
        "secret of DigitalOcean Spaces",
        ["spaces"],
        r"spaces[_.\-]?(?:secret|access)",
        r"[A-Za-z0-9+/]{40,43}\b",
        3.0,
        "SPACES_SECRET_KEY",
        &alnum(43)
    ),
    token!("heroku-key", "API key of Heroku", ["hrku-"], r"HRKU-[A-Za-z0-9_\-]{36,}", 3.0, ["HR", "KU-", &alnum(60)]),
    named!(
        "heroku-named",
        "API key of Heroku, named",
        ["heroku"],
        r"heroku",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "HEROKU_API_KEY",
        &uuid()
    ),
    token!(
        "fly-token",
        "access token of Fly",
        ["fo1_", "fm1", "fm2_"],
        r"\b(?:fo1_[A-Za-z0-9_\-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,}={0,3})",
        3.0,
        ["fo", "1_", &alnum(43)]
    ),
    token!(
        "vercel-token",
        "token of Vercel",
        ["vcp_", "vci_", "vca_", "vcr_", "vck_"],
        r"\bvc[piark]_[A-Za-z0-9_\-]{24,}",
        3.0,
        ["vc", "p_", &alnum(56)]
    ),
    named!(
        "vercel-named",
        "token of Vercel, named",
        ["vercel", "now_token"],
        r"vercel[_.\-]?(?:api[_.\-]?)?token|now_token",
        r"[A-Za-z0-9]{24}\b",
        3.0,
        "VERCEL_TOKEN",
        &alnum(24)
    ),
    token!(
        "vercel-blob",
        "read and write token of Vercel Blob",
        ["vercel_blob_rw_"],
        r"vercel_blob_rw_[A-Za-z0-9]{10,24}_[A-Za-z0-9]{24,}",
        3.0,
        ["vercel", "_blob_rw_", &alnum(16), "_", &alnum(32)]
    ),
    token!(
        "netlify-token",
        "token of Netlify",
        ["nfp_", "nfc_", "nfo_", "nfu_"],
        r"\bnf[pcou]_[A-Za-z0-9_\-]{36,}",
        3.0,
        ["nf", "p_", &alnum(36)]
    ),
    named!(
        "netlify-named",
        "token of Netlify, named",
        ["netlify"],
        r"netlify",
        r"[A-Za-z0-9=_\-]{40,46}\b",
        3.0,
        "NETLIFY_AUTH_TOKEN",
        &alnum(43)
    ),
    token!(
        "supabase-token",
        "token or secret key of Supabase",
        ["sbp_", "sb_secret_"],
        r"\b(?:sbp_(?:oauth_)?[0-9a-f]{40}|sb_secret_[A-Za-z0-9_\-]{22,})",
        3.0,
        ["sb", "p_", &hex(40)]
    ),
    token!("render-key", "API key of Render", ["rnd_"], r"\brnd_[A-Za-z0-9]{28,}", 3.0, ["rn", "d_", &alnum(32)]),
    named!(
        "railway-token",
        "token of Railway",
        ["railway"],
        r"railway",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "RAILWAY_TOKEN",
        &uuid()
    ),
    token!(
        "planetscale-password",
        "password of PlanetScale",
        ["pscale_"],
        r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9=_.\-]{32,64}",
        3.0,
        ["pscale", "_pw_", &alnum(43)]
    ),
    named!(
        "hetzner-token",
        "token of Hetzner",
        ["hetzner", "hcloud"],
        r"hetzner|hcloud",
        r"[A-Za-z0-9]{64}\b",
        3.0,
        "HCLOUD_TOKEN",
        &alnum(64)
    ),
    named!("linode-token", "token of Linode", ["linode"], r"linode", r"[0-9a-f]{64}\b", 3.0, "LINODE_TOKEN", &hex(64)),
    named!("vultr-key", "API key of Vultr", ["vultr"], r"vultr", r"[A-Z0-9]{36}\b", 3.0, "VULTR_API_KEY", &base32(36)),
    named!(
        "scaleway-key",
        "secret key of Scaleway",
        ["scaleway", "scw_"],
        r"(?:scaleway|scw)[_.\-]?secret",
        r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        3.0,
        "SCW_SECRET_KEY",
        &uuid()
    ),
    named!(
        "ovh-key",
        "secret of OVH",
        ["ovh"],
        r"ovh[_.\-]?(?:application|consumer)",
        r"[A-Za-z0-9]{32}\b",
        3.0,
        "OVH_APPLICATION_SECRET",
        &alnum(32)
    ),
    token!(
        "alibaba-key",
        "access key id of Alibaba Cloud",
        ["ltai"],
        r"\bLTAI[A-Za-z0-9]{17,21}\b",
        3.0,
        ["LT", "AI", &alnum(20)]
    ),
    named!(
        "alibaba-secret",
        "secret of Alibaba Cloud",
        ["alibaba", "aliyun", "alicloud"],
        r"alibaba|aliyun|alicloud",
        r"[A-Za-z0-9]{30}\b",
        3.0,
        "ALIYUN_SECRET",
        &alnum(30)
    ),
    token!(
        "tencent-id",
        "secret id of Tencent Cloud",
        ["akid"],
        r"\bAKID[A-Za-z0-9]{32}\b",
        3.0,
        ["AK", "ID", &alnum(32)]
    ),
    token!(
        "yandex-key",
        "API key of Yandex Cloud",
        ["aqvn"],
        r"\bAQVN[A-Za-z0-9_\-]{35,38}",
        3.0,
        ["AQ", "VN", &alnum(36)]
    ),
    token!(
        "yandex-iam",
        "IAM token of Yandex Cloud",
        ["t1."],
        r"\bt1\.[A-Za-z0-9_\-]{1,40}\.[A-Za-z0-9_\-]{80,}",
        3.0,
        ["t1", ".9eu", "elZ.", &alnum(86)]
    ),
    named!(
        "ibm-key",
        "API key of IBM Cloud",
        ["ibm"],
        r"ibm[a-z0-9_.\-]{0,16}key",
        r"[A-Za-z0-9_\-]{44}\b",
        3.0,
        "IBMCLOUD_API_KEY",
        &alnum(44)
    ),
    named!(
        "fastly-token",
        "API token of Fastly",
        ["fastly"],
        r"fastly",
        r"[A-Za-z0-9=_\-]{32}\b",
        3.0,
        "FASTLY_API_TOKEN",
        &alnum(32)
    ),
    token!(
        "tailscale-key",
        "key of Tailscale",
        ["tskey-"],
        r"tskey-[a-z]{2,12}-[A-Za-z0-9]{6,}-?[A-Za-z0-9]{10,}",
        3.0,
        ["ts", "key-auth-", &alnum(12), "-", &alnum(32)]
    ),
    token!(
        "ngrok-key",
        "token of ngrok",
        ["ngrok"],
        r"\b(?:ak|cr|ngrok)_[A-Za-z0-9]{27,}",
        3.0,
        ["ng", "rok_", &alnum(43)]
    ),
    named!(
        "ngrok-authtoken",
        "authtoken of ngrok",
        ["ngrok", "authtoken"],
        r"ngrok|authtoken",
        r"[0-9A-Za-z]{20,32}_[0-9A-Za-z]{20,24}\b",
        3.0,
        "NGROK_AUTHTOKEN",
        &format!("{}_{}", alnum(27), alnum(21))
    ),
    token!(
        "vault-token",
        "token of HashiCorp Vault",
        ["hvs.", "hvb.", "hvr."],
        r"\bhv[sbr]\.[A-Za-z0-9_\-]{24,}",
        3.0,
        ["hv", "s.", &alnum(95)]
    ),
    named!(
        "vault-old-token",
        "older token of Vault",
        ["vault"],
        r"vault[_.\-]?token|x-vault-token",
        r"s\.[A-Za-z0-9]{24}\b",
        3.0,
        "VAULT_TOKEN",
        &format!("s.{}", alnum(24))
    ),
    token!(
        "terraform-token",
        "token of Terraform Cloud",
        ["atlasv1"],
        r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=\-]{60,70}",
        3.0,
        [&alnum(14), ".atlas", "v1.", &alnum(67)]
    ),
    token!("pulumi-token", "access token of Pulumi", ["pul-"], r"\bpul-[0-9a-f]{40}\b", 3.0, ["pu", "l-", &hex(40)]),
    token!(
        "doppler-token",
        "token of Doppler",
        ["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_\-]{2,35}\.)?[A-Za-z0-9]{40,44}\b",
        3.0,
        ["dp", ".pt.", &alnum(43)]
    ),
    token!(
        "infisical-token",
        "service token of Infisical",
        ["infisical", " st.", "=st.", "\"st."],
        r"\bst\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}\b",
        3.0,
        ["s", "t.", &hex(24), ".", &hex(32), ".", &hex(32)]
    ),
    token!(
        "onepassword-token",
        "service account token of 1Password",
        ["ops_ey"],
        r"\bops_eyJ[A-Za-z0-9+/]{200,}={0,3}",
        3.0,
        ["ops", "_eyJ", &alnum(250)]
    ),
    token!(
        "onepassword-secret-key",
        "secret key of 1Password",
        ["a3-"],
        r"\bA3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}\b",
        2.5,
        ["A", "3-", &base32(6), "-", &base32(11), "-", &base32(5), "-", "K7QXM", "-", "W3HTB"]
    ),
    token!(
        "databricks-token",
        "token of Databricks",
        ["dapi"],
        r"\bdapi[0-9a-f]{32}(?:-\d)?\b",
        3.0,
        ["da", "pi", &hex(32)]
    ),
    named!(
        "snowflake-password",
        "password for Snowflake",
        ["snowflake"],
        r"snowflake[a-z0-9_.\-]{0,12}(?:password|token|pat)",
        r"[A-Za-z0-9_.!@#%^*+\-]{10,}",
        2.5,
        "SNOWFLAKE_PASSWORD",
        &alnum(18)
    ),
    rule!(
        "kubeconfig-key",
        "client key or token in a kubeconfig",
        ["client-key-data", "client-certificate-data"],
        r#"(?-u)client-key-data["']?\s{0,4}:\s{0,4}["']?(?<secret>[A-Za-z0-9+/]{40,}={0,2})"#,
        3.0,
        Certain,
        plausible,
        within("    client-key-data: ", &base64(128), "\n")
    ),
    rule!(
        "kubernetes-token",
        "token in a kubeconfig or a join command",
        ["--token", "token:", "token\":"],
        r#"(?-u)(?:--token[ =]|\btoken["']?:\s{1,4})["']?(?<secret>[a-z0-9]{6}\.[a-z0-9]{16}|K10[0-9a-f]{64}::(?:server|node):[0-9a-f]{32,})"#,
        2.5,
        Certain,
        plausible_password,
        within("kubeadm join 10.0.0.1:6443 --token ", &format!("{}.{}", lower(6), lower(16)), "\n")
    ),
    token!(
        "openshift-token",
        "user token of OpenShift",
        ["sha256~"],
        r"\bsha256~[A-Za-z0-9_\-]{43}",
        3.0,
        ["sha", "256~", &alnum(43)]
    ),
    token!(
        "age-key",
        "secret key of age",
        ["age-secret-key-"],
        r"AGE-SECRET-KEY-(?:PQ-)?1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58,}",
        3.0,
        ["AGE", "-SECRET-KEY-", "1", &base32(58).replace(['B', 'I', 'O'], "Q")]
    ),
    token!(
        "prefect-key",
        "API key of Prefect",
        ["pnu_", "pnb_"],
        r"\bpn[ub]_[A-Za-z0-9]{36}\b",
        3.0,
        ["pn", "u_", &alnum(36)]
    ),
    token!(
        "harness-token",
        "token of Harness",
        ["pat.", "sat."],
        r"\b[ps]at\.[A-Za-z0-9_\-]{22}\.[0-9a-fA-F]{24}\.[A-Za-z0-9]{20}\b",
        3.0,
        ["pa", "t.", &alnum(22), ".", &hex(24), ".", &alnum(20)]
    ),
];
