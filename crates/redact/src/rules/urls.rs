//! Addresses and connection strings with a password in them.

use super::Rule;
use super::example::{alnum, within};
use super::value::{plausible_password, plausible_setting};

/// Rules of addresses.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "url-password",
        "password in an address",
        ["://"],
        r#"(?-u)\b[A-Za-z][A-Za-z0-9+.\-]{1,30}://[A-Za-z0-9._~%!$&*+,;=@\-]{0,}?:(?<secret>[A-Za-z0-9._~%!$&*+,;=:?#^|(){}\[\]<>\-]{3,}?)@[A-Za-z0-9._\-\[\]%]"#,
        0.0,
        Likely,
        plausible_password,
        within("DATABASE=postgresql://svc:", &alnum(20), "@db.internal:5432/app\n")
    ),
    rule!(
        "url-token-user",
        "token that stands as user in an address",
        ["://"],
        r"(?-u)\bhttps?://(?<secret>[A-Za-z0-9_\-]{20,})(?::x-oauth-basic|:)?@[A-Za-z0-9]",
        3.3,
        Likely,
        super::value::plausible_alnum,
        within("git clone https://", &alnum(40), "@git.internal/barn.git\n")
    ),
    rule!(
        "url-parameter",
        "secret parameter of an address",
        ["token=", "key=", "secret=", "password=", "signature=", "sig=", "pwd=", "code=", "auth="],
        r"(?i-u)[?&;](?:access_?token|auth_?token|token|api_?key|apikey|key|client_?secret|secret|password|passwd|pwd|x-amz-signature|x-goog-signature|signature|refresh_?token|id_?token|session_?token|auth)=(?<secret>[A-Za-z0-9._~%+/\-]{12,})",
        2.8,
        Likely,
        super::value::plausible_assignment,
        within("https://api.internal/v1?token=", &alnum(32), "&page=2")
    ),
    rule!(
        "connection-password",
        "password in a connection string of pairs",
        ["password=", "pwd=", "password =", "pwd ="],
        r#"(?i-u)(?:^|[;"'\s])(?:password|pwd)[ \t]{0,2}=[ \t]{0,2}'?(?<secret>[!#-&(-:<-\[\]-~]{4,})(?:;|["'\s]|$)"#,
        0.0,
        Likely,
        plausible_setting,
        within("Server=db;User Id=svc;Password=", &format!("{}!x7", alnum(10)), ";Encrypt=true")
    ),
    rule!(
        "jdbc-password",
        "password in an address of JDBC",
        ["jdbc:"],
        r#"(?i-u)jdbc:[a-z0-9:]{2,40}[!#-&(-~]{0,200}?(?:password=|:thin:[a-z0-9_]{1,40}/)(?<secret>[!#-%(-:<-?A-\[\]-~]{4,})"#,
        0.0,
        Likely,
        plausible_setting,
        within("jdbc:mysql://db:3306/app?user=svc&password=", &alnum(16), "&ssl=true")
    ),
    rule!(
        "dsn-password",
        "password in a DSN with a protocol in parentheses",
        ["@tcp(", "@unix("],
        r#"(?i-u)[a-z0-9_.\-]{1,64}:(?<secret>[!#-&(-?A-\[\]-~]{3,})@(?:tcp|unix)\("#,
        0.0,
        Certain,
        plausible_password,
        within("dsn = svc:", &alnum(16), "@tcp(db:3306)/app")
    ),
    rule!(
        "presigned-credential",
        "credentials in an address of object storage",
        ["x-amz-signature", "x-goog-signature"],
        r"(?i-u)x-(?:amz|goog)-signature(?:=|%3d)(?<secret>[0-9a-f]{64,})",
        2.5,
        Certain,
        super::value::plausible,
        within(
            "https://b.s3.amazonaws.com/o?X-Amz-Date=20260101T000000Z&X-Amz-Signature=",
            &super::example::hex(64),
            "\n"
        )
    ),
];
