//! Credentials as files and command lines hold them.

use super::Rule;
use super::example::{alnum, hex, within};
use super::value::{plausible_password, plausible_setting};

/// Rules of files and commands.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "curl-user",
        "user and password given to curl",
        ["curl", "--user", "wget"],
        r#"(?-u)\b(?:curl|http|https|xh)\b[\t -{}~]{0,240}?\s(?:-u|--user|-a|--auth|--proxy-user|-U)[ =]?\s{0,4}[\\"']{0,3}[A-Za-z0-9._@%+\-]{0,80}:(?<secret>[!#-&(-\[\]-~]{3,})"#,
        0.0,
        Certain,
        plausible_password,
        within("curl -sS -u svc:", &alnum(14), " https://barn.internal/v1")
    ),
    rule!(
        "password-option",
        "password given as an option",
        [
            "--password",
            "--passwd",
            "--pass",
            "--secret",
            "--token",
            "--api-key",
            "--auth-token",
            "--access-token",
            "--passphrase",
            "--client-secret",
            "--pat",
            "-password"
        ],
        r#"(?-u)(?:^|[\s"'`,\[])--?(?:[a-z]{1,16}-){0,2}(?:password|passwd|pass|passphrase|secret|token|api-?key|apikey|auth-token|access-token|client-secret|secret-key|pat)[= ,"']{1,4}(?<secret>[!#-&(-+\--\[\]-~]{6,})"#,
        0.0,
        Likely,
        plausible_setting,
        within("deploy --host barn --password ", &alnum(14), " --yes")
    ),
    rule!(
        "docker-login",
        "password given to docker login",
        ["login"],
        r#"(?-u)\b(?:docker|podman|helm registry|buildah|skopeo|oras|crane auth|nerdctl)\s{1,4}login\b[\t -%\x27-:<-{}~]{0,200}?\s(?:-p|--password)[= ]\s{0,4}["']?(?<secret>[!#-&(-\[\]-~]{4,})"#,
        0.0,
        Certain,
        plausible_password,
        within("docker login -u svc -p ", &alnum(14), " registry.internal")
    ),
    rule!(
        "mysql-password",
        "password given to a client of MySQL",
        ["mysql", "mariadb"],
        r#"(?-u)\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b[\t -%\x27-:<-{}~]{0,200}?\s-p["']?(?<secret>[!#-&(-\[\]-~]{4,})"#,
        0.0,
        Certain,
        plausible_setting,
        within("mysql -h db -u svc -p", &alnum(14), " app")
    ),
    rule!(
        "pgpassword",
        "password for a client of PostgreSQL or Redis",
        ["pgpassword", "mysql_pwd", "redis-cli", "rediscli_auth"],
        r#"(?-u)(?:\b(?:PGPASSWORD|MYSQL_PWD|REDISCLI_AUTH|RSYNC_PASSWORD|RESTIC_PASSWORD|BORG_PASSPHRASE)["']?\s{0,3}[=:]\s{0,3}["']?|redis-cli\b[\t -%\x27-:<-{}~]{0,120}?\s-a\s{1,3}["']?)(?<secret>[!#-&(-\[\]-~]{3,})"#,
        0.0,
        Certain,
        plausible_password,
        within("PGPASSWORD=", &alnum(9), " psql -h db")
    ),
    rule!(
        "netrc",
        "password in a .netrc",
        ["machine", "default login"],
        r"(?-u)\b(?:machine\s{1,8}[A-Za-z0-9._:\-]{1,}|default)\s{1,16}login\s{1,8}[!-~]{1,}\s{1,16}password\s{1,8}(?<secret>[!-~]{3,})",
        0.0,
        Certain,
        plausible_password,
        within("machine git.internal login dana password ", &alnum(14), "\n")
    ),
    rule!(
        "pgpass",
        "password in a .pgpass",
        [":5432:", ":5433:", ":6432:", ":*:"],
        r#"(?m-u)(?:^|[\s"'`=])[A-Za-z0-9._\-*/]{1,}:(?:\d{2,5}|\*):[A-Za-z0-9_*\-]{1,64}:[A-Za-z0-9_*\-]{1,64}:(?<secret>[!#-&(-9;-\[\]-~]{4,})(?:[\s"'`]|$)"#,
        0.0,
        Certain,
        plausible_setting,
        within("db.internal:5432:app:svc:", &alnum(14), "\n")
    ),
    rule!(
        "htpasswd",
        "hash of a password",
        ["$2y$", "$2a$", "$2b$", "$apr1$", "$6$", "$5$", "$y$", "$argon2", "$1$"],
        r"(?-u)(?<secret>\$(?:2[aby]\$\d\d\$[./A-Za-z0-9]{53}|apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|[156]\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}|y\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{1,32}\$[./A-Za-z0-9]{43}|argon2(?:id|i|d)\$v=\d{1,3}\$[a-z0-9=,]{1,40}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{16,}))",
        2.5,
        Certain,
        super::value::plausible,
        within("dana:", &format!("$2{}$10${}", "y", alnum(53)), "\n")
    ),
    rule!(
        "xml-password",
        "password in an element of XML",
        ["password>", "passwd>", "secret>", "token>", "apikey>", "passphrase>"],
        r"(?i-u)<(?:[a-z0-9_.\-]{0,24}(?:password|passwd|passphrase|secret|token|apikey))>(?<secret>[!-%'-;=-~]{6,})</",
        0.0,
        Likely,
        plausible_setting,
        within("<server><password>", &alnum(16), "</password></server>")
    ),
    rule!(
        "nuget-password",
        "value of a pair of XML attributes",
        ["value="],
        r#"(?i-u)(?:key|name)\s{0,2}=\s{0,2}\\{0,3}"[a-z0-9_.:\-]{0,32}(?:password|secret|apikey|token|connectionkey)\\{0,3}"\s{1,4}value\s{0,2}=\s{0,2}\\{0,3}"(?<secret>[!#-%'-;=-\[\]-~]{6,})"#,
        0.0,
        Likely,
        plausible_setting,
        within("<add key=\"ClearTextPassword\" value=\"", &alnum(16), "\" />")
    ),
    rule!(
        "kubernetes-secret",
        "value under data of a secret of Kubernetes",
        ["kind: secret"],
        r"(?s-u)kind:\s{0,3}Secret\b[\x01-\x7f]{0,600}??\b(?:data|stringData):\s{0,4}\n\s{2,8}[A-Za-z0-9_.\-]{1,80}:\s{1,4}(?<secret>[A-Za-z0-9+/=_\-]{8,})",
        0.0,
        Likely,
        plausible_setting,
        within(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: barn\ndata:\n  extra: ",
            &super::example::standard(&alnum(18)),
            "\n"
        )
    ),
    rule!(
        "rails-master-key",
        "master key of Rails",
        ["master.key", "master_key", "secret_key_base"],
        r#"(?i-u)(?:master[._]key|secret_key_base)[ -/:-@g-z_"'\\]{1,24}(?<secret>[0-9a-f]{32}(?:[0-9a-f]{96})?)\b"#,
        3.0,
        Likely,
        super::value::plausible,
        within("cat config/master.key: ", &hex(32), "\n")
    ),
    rule!(
        "ansible-become",
        "password for Ansible",
        ["ansible_"],
        r#"(?i-u)\bansible_(?:ssh_pass|password|become_pass(?:word)?|sudo_pass)["']?\s{0,3}[=:]\s{0,3}["']?(?<secret>[!#-&(-\[\]-~]{4,})"#,
        0.0,
        Certain,
        plausible_password,
        within("host1 ansible_become_pass=", &alnum(12), " ansible_port=22")
    ),
    rule!(
        "echo-password",
        "password piped to a command that asks for it",
        ["--password-stdin", "--stdin", "sudo -s", "chpasswd"],
        r#"(?i-u)\b(?:echo|printf)\s{1,4}(?:-n\s{1,4}|'?%s'?\s{1,4})?["']?(?:[a-z0-9_\-]{1,32}:)?(?<secret>[!#-&(-9;-\[\]-{}~]{6,})["']?\s{0,4}\|\s{0,4}(?:sudo\s{1,4}-S|(?:sudo\s{1,4})?chpasswd|[a-z ]{0,40}login\b[\t -~]{0,}?--password-stdin|passwd\s{1,4}--stdin)"#,
        0.0,
        Certain,
        plausible_password,
        within("echo ", &alnum(12), " | sudo -S true")
    ),
    rule!(
        "basic-pair",
        "user and password in brackets of an HTTP library",
        ["auth=(", "auth = (", "httpbasicauth(", "basicauth(", "basic_auth("],
        r#"(?i-u)(?:auth\s{0,2}=\s{0,2}\(|basic_?auth\()\s{0,4}["'][!#-&(-~]{0,80}["']\s{0,4},\s{0,4}["'](?<secret>[!#-&(-\[\]-~]{4,})["']"#,
        0.0,
        Certain,
        plausible_password,
        within("requests.get(u, auth=('svc', '", &alnum(14), "'))")
    ),
    rule!(
        "sql-password",
        "password of a role in SQL",
        ["identified by", "with password", "encrypted password"],
        r#"(?i-u)\b(?:identified\s{1,4}by|(?:with|encrypted)\s{1,4}password)\s{1,4}\\{0,3}["'](?<secret>[!#-&(-\[\]-~]{6,})\\{0,3}["']"#,
        2.0,
        Certain,
        plausible_setting,
        within("CREATE USER svc IDENTIFIED BY '", &alnum(14), "';")
    ),
    rule!(
        "literal-option",
        "value of a secret that a command creates",
        ["--from-literal"],
        r#"(?-u)--from-literal[= ]["']?[A-Za-z0-9._\-]{1,80}=["']?(?<secret>[!#-&(-\[\]-~]{6,})"#,
        2.0,
        Certain,
        plausible_setting,
        within("kubectl create secret generic barn --from-literal=db=", &alnum(14), "\n")
    ),
    rule!(
        "openssl-pass",
        "password given to openssl",
        ["pass:"],
        r#"(?-u)\s-(?:pass|passin|passout|password)\s{1,4}["']?pass:(?<secret>[!#-&(-\[\]-~]{6,})"#,
        2.0,
        Certain,
        plausible_setting,
        within("openssl rsa -in a.pem -passin pass:", &alnum(14), " -out b.pem")
    ),
    rule!(
        "told-password",
        "password in quotes behind its name",
        ["passphrase", "password"],
        r#"(?i-u)\b(?:passphrase|set\s(?:the\s)?password\sto|\|\s{0,8}password\s{0,8}\|)\s{1,8}["'`]{0,1}(?<secret>[!#-&(-\[\]-_a-{}~]{8,})"#,
        2.8,
        Likely,
        super::value::plausible_assignment,
        within("set password to \"", &alnum(14), "\" and go")
    ),
    rule!(
        "kubernetes-env",
        "value of a variable of a container",
        ["password", "secret", "token", "_key"],
        r#"(?-u)\bname:[ ]["']?[A-Z0-9_]{0,40}(?:PASSWORD|SECRET|TOKEN|_KEY)["']?\r?\n[ ]{1,24}value:[ ]["']?(?<secret>[!#-&(-\[\]-~]{8,})"#,
        2.5,
        Likely,
        super::value::plausible_quoted,
        within("- name: DB_PASSWORD\n  value: ", &alnum(14), "\n")
    ),
];
