//! Values that only their names give away.

use super::Rule;
use super::example::{alnum, alone, hex, within};
use super::value::{plausible_assignment, plausible_quoted, plausible_random, plausible_setting};

/// Rules of names. The last resort: a rule above that matches at the same place has a better name.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "env-secret",
        "secret in an environment file",
        ["pass", "pwd", "_pw", "secret", "token", "_key", "apikey", "authkey", "credential", "salt"],
        r#"(?m-u)(?:^|[\s;"'`]|\\n|\bexport |\bENV |-e |--env )(?:[A-Z][A-Z0-9]{0,30}_){0,6}[A-Z0-9]{0,16}(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|PW|SECRET|TOKEN|APIKEY|CREDENTIALS?|(?:API|AUTH|ACCESS|ADMIN|SIGNING|ENCRYPTION|ENC|PRIVATE|SECRET|MASTER|SERVICE|SERVICE_ROLE|ACCOUNT|SESSION|COOKIE|JWT|HMAC|APP|CLIENT|LICENSE|SHARED|STORAGE|DEPLOY|WEBHOOK|ROOT|CRYPT|ACCESS_ID|SUBSCRIPTION|REFRESH|SEED|AES|RSA)_?KEY|SALT)(?:_(?:[0-9]{1,2}|BASE|PROD|PRODUCTION|DEV|STAGING|TEST|LIVE|OLD|NEW|VALUE|PRIMARY|SECONDARY|BASE64|B64))?[ \t]{0,3}[=:][ \t]{0,3}["'`]?(?<secret>[!#-&(-\[\]-_a-~]{6,})"#,
        1.5,
        Likely,
        plausible_setting,
        within("export SERVICE_PASSWORD=", &alnum(12), "\n")
    ),
    rule!(
        "env-signing-key",
        "signing key in an environment file",
        ["signing_key", "encryption_key", "secret_key", "_secret"],
        r#"(?i-u)(?:signing|encryption|secret|hmac|cipher|cookie|session|jwt)[_\-]?(?:key|secret)[\\"'`]{0,4}[ \t]{0,3}[=:][ \t]{0,3}[\\"'`]{0,4}(?<secret>[0-9a-f]{32,}\b|[A-Za-z0-9+/_\-]{32,}={0,2})"#,
        2.8,
        Likely,
        plausible_quoted,
        within("JWT_SIGNING_KEY=", &hex(64), "\n")
    ),
    rule!(
        "named-password",
        "password in a settings file or JSON, quoted",
        ["pass", "pwd"],
        r#"(?i-u)(?:\b|[_.\-])(?:[a-z0-9]{1,24}[_.\-]){0,4}[a-z0-9]{0,24}?(?:password|passwd|passphrase|passcode|pwd|\bpass|_pass)(?:[_\-]?[0-9]{1,2})?\\{0,6}["'`]?\]?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}(?:\\{0,6}["'`])(?<secret>[!#-&(-\[\]-_a-~]{6,})\\{0,6}["'`]"#,
        1.5,
        Likely,
        plausible_setting,
        within("{\"password\": \"", &alnum(22), "\"}")
    ),
    rule!(
        "named-password-plain",
        "password in a settings file, without quotes",
        ["pass", "pwd"],
        r#"(?i-u)(?:\b|[_.\-])(?:[a-z0-9]{1,24}[_.\-]){0,4}[a-z0-9]{0,24}?(?:password|passwd|passphrase|passcode|pwd)(?:[_\-]?[0-9]{1,2})?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}(?<secret>[!#-&*-+\--:<-\[\]-_a-z|~][!#-&*-+\--:<-\[\]-_a-z|~]{7,})"#,
        2.5,
        Likely,
        plausible_assignment,
        within("db:\n  password: ", &alnum(16), "\n")
    ),
    rule!(
        "named-secret",
        "secret, token or key in a settings file or JSON, quoted",
        [
            "secret",
            "token",
            "_key",
            "-key",
            ".key",
            "apikey",
            "authkey",
            "accesskey",
            "adminkey",
            "signingkey",
            "encryptionkey",
            "privatekey",
            "masterkey",
            "servicekey",
            "rolekey",
            "accountkey",
            "sessionkey",
            "clientkey",
            "sharedkey",
            "storagekey",
            "credential",
            "authorization"
        ],
        r#"(?i-u)(?:\b|[_.\-])(?:[a-z0-9]{1,24}[_.\-]){0,4}[a-z0-9]{0,24}?(?:secret|token|credentials?|authorization|(?:api|auth|access|admin|signing|encryption|private|secret|master|service|service[_.\-]?role|account|session|cookie|jwt|hmac|app|client|license|shared|storage|deploy|webhook|root|subscription|refresh)[_.\-]?key)(?:[_\-]?(?:[0-9]{1,2}|base|prod|dev|staging|test|live|value))?\\{0,6}["'`]?\]?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}(?:\\{0,6}["'`])(?<secret>[!#-&(-\[\]-_a-~]{10,})\\{0,6}["'`]"#,
        2.8,
        Likely,
        plausible_quoted,
        within("{\"client_secret\": \"", &alnum(28), "\"}")
    ),
    rule!(
        "named-secret-plain",
        "secret, token or key in a settings file, without quotes",
        [
            "secret",
            "token",
            "_key",
            "-key",
            ".key",
            "apikey",
            "authkey",
            "accesskey",
            "adminkey",
            "signingkey",
            "encryptionkey",
            "privatekey",
            "masterkey",
            "servicekey",
            "rolekey",
            "accountkey",
            "sessionkey",
            "clientkey",
            "sharedkey",
            "storagekey",
            "credential"
        ],
        r#"(?i-u)(?:\b|[_.\-])(?:[a-z0-9]{1,24}[_.\-]){0,4}[a-z0-9]{0,24}?(?:secret|token|credentials?|(?:api|auth|access|admin|signing|encryption|private|secret|master|service|service[_.\-]?role|account|session|cookie|jwt|hmac|app|client|license|shared|storage|deploy|webhook|root|subscription|refresh)[_.\-]?key)(?:[_\-]?(?:[0-9]{1,2}|base|prod|dev|staging|test|live|value))?[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}(?<secret>[A-Za-z0-9+/_.~=!@#%^\-]{10,})"#,
        3.0,
        Likely,
        plausible_assignment,
        within("api_key: ", &alnum(32), "\n")
    ),
    rule!(
        "spoken-password",
        "password told in prose",
        ["password is", "passphrase is", "token is", "secret is", "key is", "password for", "passwort"],
        r#"(?i-u)\b(?:password|passphrase|passwd|passcode|token|secret|api key|passwort)\b[a-z0-9 _.@\-]{0,40}?\s(?:is|ist|to|was)(?:\s(?:now|set to))?:?\s{1,4}["'`]?(?<secret>[!#-&(-\[\]-_a-~]{7,})"#,
        2.3,
        Likely,
        plausible_assignment,
        within("the password for staging is ", &format!("{}!", alnum(14)), " please use it")
    ),
    rule!(
        "random-text",
        "text that looks random and that nothing names",
        [],
        r"(?-u)(?<secret>[A-Za-z0-9+/_\-]{24,}={0,2})",
        4.2,
        Guess,
        plausible_random,
        alone(&[&alnum(40)])
    ),
];
