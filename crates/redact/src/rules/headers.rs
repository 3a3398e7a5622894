//! Headers of HTTP and cookies, in any quoting.

use super::Rule;
use super::example::{alnum, standard, within};
use super::value::{is_basic, plausible_password, plausible_setting};

/// Rules of headers.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "basic-auth",
        "credentials of basic authentication",
        ["basic "],
        r#"(?i-u)\bbasic\s{1,4}(?<secret>[A-Za-z0-9+/]{8,}={0,2})"#,
        0.0,
        Certain,
        is_basic,
        within("Authorization: Basic ", &standard(&format!("svc:{}", alnum(16))), "\n")
    ),
    rule!(
        "bearer-token",
        "bearer token",
        ["bearer "],
        r#"(?i-u)\bbearer\s{1,4}(?<secret>[A-Za-z0-9._~+/|:\-]{16,}={0,2})"#,
        2.8,
        Certain,
        plausible_setting,
        within("Authorization: Bearer ", &alnum(40), "\n")
    ),
    rule!(
        "authorization",
        "credentials in an authorization header",
        ["authorization"],
        r#"(?i-u)authorization[\\"'`\]]{0,4}[ \t]{0,4}[:=,][ \t]{0,4}[\\"'`]{0,4}(?:(?:bearer|token|apikey|api-key|key|ssws|geniekey|bot|digest|negotiate|jwt|sso-key|hmac|splunk|pat|token token=)\s{1,4}[\\"']{0,4})?(?<secret>[A-Za-z0-9._~+/|:\-]{12,}={0,2})"#,
        2.8,
        Certain,
        plausible_setting,
        within("authorization: token ", &alnum(32), "\n")
    ),
    rule!(
        "api-key-header",
        "key in a header of its own",
        [
            "-api-key",
            "-apikey",
            "-auth",
            "-access",
            "-token",
            "-secret",
            "-functions-key",
            "-csrf",
            "-session",
            "-subscription-key",
            "-password",
            "-signature"
        ],
        r#"(?i-u)\bx-(?:[a-z0-9]{1,20}-){0,3}(?:api-?key|auth(?:-?token|-?key)?|access-?token|token|secret|functions-key|csrf-?token|session-?token|subscription-key|password|signature)[\\"'`\]]{0,4}[ \t]{0,4}[:=,][ \t]{0,4}[\\"'`]{0,4}(?<secret>[A-Za-z0-9._~+/|:\-]{12,}={0,2})"#,
        2.8,
        Certain,
        plausible_setting,
        within("x-api-key: ", &alnum(32), "\n")
    ),
    rule!(
        "api-key-plain-header",
        "key in a header or member that is called so",
        ["api-key", "private-token", "job-token", "deploy-token", "ocp-apim"],
        r#"(?i-u)\b(?:api-key|private-token|job-token|deploy-token|ocp-apim-subscription-key|apikey)[\\"'`\]]{0,4}[ \t]{0,4}[:=][ \t]{0,4}[\\"'`]{0,4}(?<secret>[A-Za-z0-9._~+/|\-]{12,}={0,2})"#,
        2.8,
        Certain,
        plausible_setting,
        within("PRIVATE-TOKEN: ", &alnum(24), "\n")
    ),
    rule!(
        "set-cookie",
        "value of a cookie that is set",
        ["set-cookie"],
        r#"(?i-u)set-cookie[\\"'`\]]{0,4}[ \t]{0,4}[:=,][ \t]{0,4}[\\"'`\[]{0,4}[a-z0-9_.\-$]{1,80}=(?<secret>[!#-&(-+\--:<-\[\]-~]{8,})"#,
        2.0,
        Certain,
        plausible_password,
        within("Set-Cookie: sid=", &alnum(32), "; Path=/; HttpOnly")
    ),
    rule!(
        "cookie",
        "cookies that are sent",
        ["cookie"],
        r#"(?i-u)\bcookie[\\"'`\]]{0,4}[ \t]{0,4}:[ \t]{0,4}[\\"'`]{0,4}(?<secret>[a-z0-9_.\-$]{1,80}=[!#-&(-+\--:<-\[\]-~]{6,}(?:;\s{0,2}[a-z0-9_.\-$]{1,80}=[!#-&(-+\--:<-\[\]-~]{0,}){0,})"#,
        2.0,
        Certain,
        plausible_password,
        within("Cookie: ", &format!("sid={}; theme=dark", alnum(32)), "\n")
    ),
    rule!(
        "cookie-option",
        "cookies given to curl",
        ["-b ", "--cookie"],
        r#"(?-u)\bcurl\b[\t -{}~]{0,240}?\s(?:-b|--cookie)[ =][ \t]{0,4}["']{0,1}(?<secret>[A-Za-z0-9_.\-$]{1,80}=[!#-&(-+\--:<-\[\]-~]{6,}(?:;\s{0,2}[A-Za-z0-9_.\-$]{1,80}=[!#-&(-+\--:<-\[\]-~]{0,}){0,})"#,
        2.0,
        Certain,
        plausible_password,
        within("curl -s -b '", &format!("session={}", alnum(32)), "' https://barn.internal")
    ),
    rule!(
        "named-session",
        "session in a cookie, named",
        ["sessionid", "session_id", "jsessionid", "phpsessid", "connect.sid", "sid="],
        r#"(?i-u)\b(?:sessionid|jsessionid|phpsessid|connect\.sid|asp\.net_sessionid|__host-[a-z_\-]{1,30}|__secure-[a-z_.\-]{1,40}|next-auth\.session-token)=(?<secret>[A-Za-z0-9%._\-+/]{20,})"#,
        3.0,
        Likely,
        plausible_password,
        within("PHPSESSID=", &alnum(26), ";")
    ),
];
