use proptest::prelude::*;

use super::*;

const ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Letters and digits that look drawn at random. Secrets are put together here, so that none stands in this file.
fn random(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(ALNUM[(state >> 33) as usize % ALNUM.len()])
    };
    (0..length).map(|_| next()).collect()
}

/// A PEM block of this label with a body of three lines.
fn pem(label: &str) -> String {
    let body = random(64);
    format!("-----{} {label}-----\n{body}\n{body}\n{}\n-----END {label}-----\n", "BEGIN", random(20))
}

fn kinds(path: &str, content: impl AsRef<[u8]>) -> Vec<&'static str> {
    scan(path.into(), content.as_ref()).into_iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn finds(path: &str, content: impl AsRef<[u8]>, kind: &str) {
    let found = kinds(path, content.as_ref());
    assert_eq!(found, [kind], "{path}: {}", content.as_ref().as_bstr());
}

#[track_caller]
fn quiet(path: &str, content: impl AsRef<[u8]>) {
    let found = kinds(path, content.as_ref());
    assert_eq!(found, [""; 0], "{path}: {}", content.as_ref().as_bstr());
}

#[test]
fn a_private_key_with_a_body_is_one_whatever_wraps_it() {
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY"];
    for label in labels.iter().chain(&["ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]) {
        finds("a/b.txt", pem(label), "private key");
        finds("id_rsa", pem(label).replace('\n', "\r\n"), "private key");
        finds("main.go", format!("const key = \"{}\"", pem(label).replace('\n', "\\n")), "private key");
        finds("Main.java", format!("\"{}\"", pem(label).replace('\n', "\\n\" +\n    \"")), "private key");
        finds("values.yaml", format!("key: |\n  {}", pem(label).replace('\n', "\n  ")), "private key");
    }
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n";
    let key = pem("RSA PRIVATE KEY").replacen("KEY-----\n", &format!("KEY-----\n{headers}"), 1);
    finds("server.pem", key, "private key");
    let putty = format!("PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{}\n", random(48));
    finds("key.ppk", putty, "private key");
    finds("age.txt", format!("# public key: age1x\n{}-SECRET-KEY-1{}\n", "AGE", random(58).to_uppercase()), "age key");
}

#[test]
fn what_is_public_about_keys_stays_quiet() {
    for label in ["PUBLIC KEY", "CERTIFICATE", "RSA PUBLIC KEY", "PGP PUBLIC KEY BLOCK", "CERTIFICATE REQUEST"] {
        quiet("a.pem", pem(label));
    }
    quiet("id_ed25519.pub", format!("ssh-ed25519 AAAA{} me@laptop\n", random(64)));
    quiet("id_rsa", "this is not a key\n");
    let begin = "-----BEGIN";
    quiet("README.md", format!("A file starts with `{begin} RSA PRIVATE KEY-----` and goes on.\n"));
    quiet("doc.md", format!("{begin} PRIVATE KEY-----\nMIIEvQIBADANBgkq...\n-----END PRIVATE KEY-----\n"));
    quiet("doc.md", format!("{begin} PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", "x".repeat(64)));
    quiet(
        "parse.rs",
        format!("if text.starts_with(\"{begin} PRIVATE KEY-----\") {{ {} }}", "return decode(text); ".repeat(5)),
    );
    let certificate_below = format!("{begin} PRIVATE KEY-----\n-----END PRIVATE KEY-----\n{}", pem("CERTIFICATE"));
    quiet("template.pem", certificate_below);
    quiet("vectors/key.pem.example", pem("PRIVATE KEY"));
}

#[test]
fn an_environment_file_with_values_is_found() {
    let kind = ".env file with values";
    for name in [".env", "app/.env", ".env.local", ".env.production", ".ENV"] {
        finds(name, "API_KEY=f3a91bc7\n", kind);
    }
    finds(".env", "# comment\n\nexport DB_PASSWORD='correct horse'\n", kind);
    finds(".env", "\u{feff}API_KEY=\"f3a91bc7\"\r\n", kind);
    finds(".env", "FOO=${BAR}\nPASSWORD=${X:-}\nHOST=db1.internal # where it is\n", kind);
    finds(".env", "SESSION_SECRET=83749201\n", kind);
    let wide = "API_KEY=f3a91bc7\n".encode_utf16().flat_map(u16::to_le_bytes);
    finds(".env", [0xff, 0xfe].into_iter().chain(wide).collect::<Vec<_>>(), kind);
    assert_eq!(
        scan("x/.env".into(), b"\nA=\nAPI_KEY=f3a91bc7")[0],
        Finding { path: "x/.env".into(), kind, line: 3, place: Place::File, commit: None }
    );
}

#[test]
fn an_environment_file_without_secrets_stays_quiet() {
    for name in [".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults", ".env.example.local"] {
        quiet(name, "API_KEY=f3a91bc7\n");
    }
    quiet("env", "API_KEY=f3a91bc7\n");
    quiet("src/.environment", "API_KEY=f3a91bc7\n");
    for value in
        ["", "\"\"", "''", "${OTHER}", "$OTHER", "$(pass show x)", "changeme", "CHANGE_ME", "xxx", "XXXXXXXXXXXX"]
    {
        quiet(".env", format!("API_KEY={value}\n"));
    }
    for value in
        ["your-key-here", "<your key>", "{{ key }}", "%KEY%", "...", "***", "todo", "# none", "op://vault/item"]
    {
        quiet(".env", format!("API_KEY={value}\n"));
    }
    quiet(".env", "# API_KEY=f3a91bc7\nPORT=3000\nDEBUG=true\nNODE_ENV=production\nHOST=127.0.0.1:80\nno variable\n");
    quiet(".env", "DATABASE_URL=postgres://me:abcdef12@localhost:5432/app\nVITE_TITLE=Our shop\n");
}

#[test]
fn files_in_which_programs_keep_passwords_are_known() {
    finds(".netrc", "machine git.host.org\n  login me\n  password ab12cd34\n", "password in .netrc");
    finds("_netrc", "machine git.host.org login me password ab12cd34", "password in .netrc");
    quiet(".netrc", "machine git.host.org login me\n");
    quiet(".netrc", "machine git.host.org login me password <password>\n");
    finds(".npmrc", "//registry.npmjs.org/:_authToken=0f1e2d3c4b5a", "token in .npmrc");
    quiet(".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nregistry=https://r.npmjs.org/\n");
    finds(".pypirc", "[pypi]\nusername = me\npassword = ab12cd34\n", "password in .pypirc");
    quiet(".pypirc", "[pypi]\nusername = __token__\n");
    finds(".pgpass", "db1.internal:5432:app:me:ab12cd34\n", "password in .pgpass");
    quiet(".pgpass", "#hostname:port:database:username:password\n");
    let docker = r#"{"auths": {"r.io": {"auth" : "bWU6YWIxMmNkMzQ="}}}"#;
    finds("home/.docker/config.json", docker, "Docker login");
    quiet("app/config.json", docker);
    quiet(".docker/config.json", r#"{"auths": {"r.io": {}}, "credsStore": "desktop"}"#);
    let saved = kinds(".git-credentials", "https://me:ab12cd34@git.host.org\n");
    assert_eq!(saved, ["address with a password", "saved Git password"]);
    finds("kube/config", format!("  client-key-data: {}\n", random(80)), "Kubernetes client key");
    quiet("kube/config", "  client-key-data: REDACTED\n");
    let account =
        format!("{{\"type\": \"service_account\", \"private_key\": \"{}\"}}", pem("PRIVATE KEY").replace('\n', "\\n"));
    finds("account.json", account, "service account key");
}

#[test]
fn key_stores_are_known_by_name() {
    for name in ["a.p12", "a.PFX", "x/release.jks", "up.keystore", "me.kdbx"] {
        finds(name, b"\x00\x01\x02", "key store");
        assert_eq!(scan(name.into(), b"")[0].line, 0);
    }
    quiet("android/debug.keystore", b"\x00");
    quiet("p12", b"\x00");
}

#[test]
fn tokens_are_known_by_their_beginning_and_length() {
    for prefix in ["ghp", "gho", "ghu", "ghs", "ghr"] {
        finds("a.py", format!("t = '{prefix}_{}'", random(36)), "GitHub token");
        quiet("a.py", format!("t = '{prefix}_{}'", random(35)));
        quiet("a.py", format!("t = '{prefix}_{}'", "x".repeat(36)));
        quiet("a.py", format!("t = 'my{prefix}_{}'", random(36)));
    }
    quiet("a.py", format!("t = 'ghp_{}'", random(37)));
    finds("a", format!("github_pat_{}_{}", random(22), random(59)), "GitHub token");
    finds("a", format!("glpat-{}", random(20)), "GitLab token");
    finds("a", format!("xox{}-123456789012-{}", "b", random(24)), "Slack token");
    quiet("a", "xoxb-your-bot-token-goes-here-1");
    finds("a", format!("sk_{}_{}", "live", random(24)), "Stripe key");
    finds("a", format!("rk_{}_{}", "live", random(99)), "Stripe key");
    quiet("a", format!("sk_{}_{}", "test", random(24)));
    finds("a.html", format!("key={}{}&x", "AIza", random(35)), "Google API key");
    quiet("a.html", format!("key={}{}", "AIza", random(36)));
    finds("a", format!("npm_{}", random(36)), "npm token");
    finds("a", format!("sk-{}-{}", "proj", random(60)), "OpenAI key");
    finds("a", format!("sk-{}-api03-{}", "ant", random(90)), "Anthropic key");
    finds("a", format!("nsec{}{}", 1, random(58).to_lowercase()), "Nostr key");
    let line = scan("a".into(), format!("\n\nglpat-{}", random(20)).as_bytes())[0].line;
    assert_eq!(line, 3);
}

#[test]
fn an_aws_key_counts_with_its_secret_only() {
    let id = format!("AK{}{}", "IA", random(16).to_uppercase());
    let secret = format!("aws_secret_access_key = {}", random(40));
    finds("credentials", format!("aws_access_key_id={id}\n{secret}\n"), "AWS access key");
    quiet("credentials", format!("aws_access_key_id={id}\n"));
    quiet("credentials", format!("{secret}\n"));
    quiet("log", format!("{id} at commit d3461fd0a1b2c3d4e5f60718293a4b5c6d7e8f90\n"));
    let documented = ["AKIAIOSFODNN7", "EXAMPLE\nwJalrXUtnFEMI/K7MDENG/bPxRfiCY", "EXAMPLEKEY"].concat();
    quiet("aws.md", documented);
}

#[test]
fn addresses_with_a_password_are_found_unless_they_are_examples() {
    let kind = "address with a password";
    finds("a.toml", "url = \"postgres://app:Zq81kd0@db1.internal:5432/app\"", kind);
    finds("a.yml", "redis://:Zq81kd0p@cache.prod", kind);
    finds("a.sh", "git clone https://me:ab12cd34ef@git.host.org/x.git", kind);
    finds("a.sh", "mongodb+srv://app:p@ss!word9@c0.mongodb.net/x", kind);
    for address in [
        "postgres://app:Zq81kd0@localhost/app",
        "postgres://app:Zq81kd0@127.0.0.1:5432/app",
        "postgres://app:Zq81kd0@[::1]:5432/app",
        "postgres://app:Zq81kd0@db:5432/app",
        "https://user:Zq81kd0x@example.com/",
        "https://user:password@git.host.org/",
        "https://user:${PASSWORD}@git.host.org/",
        "https://user:$PASSWORD@git.host.org/",
        "https://user:<password>@git.host.org/",
        "https://postgres:postgres@git.host.org/",
        "https://git@host.org:8080/a@b",
        "ssh://git@host.org:22/a:b@c",
        "see https://host.org:8080 and me:you1234@host.org",
        "://user:Zq81kd0x@host.org",
    ] {
        quiet("a.md", address);
    }
}

#[test]
fn what_only_looks_random_stays_quiet() {
    quiet("Cargo.lock", format!("checksum = \"{}\"\n", "d3461fd0".repeat(8)));
    quiet("package-lock.json", format!("\"integrity\": \"sha512-{}==\"\n", random(86)));
    quiet("go.sum", format!("host.org/x v1.0.0 h1:{}=\n", random(43)));
    quiet("a", "commit d3461fd0a1b2c3d4e5f60718293a4b5c6d7e8f90\nid 123e4567-e89b-42d3-a456-426614174000\n");
    quiet("a.css", format!("url(data:image/png;base64,iVBORw0{}AIza{}==)", random(4000), random(35)));
    quiet("a.svg", format!("data:image/png;base64,{}", random(100_000)));
    quiet("a.bin", (0..=255u8).cycle().take(100_000).collect::<Vec<_>>());
}

/// Lines that fill this many bytes.
fn filler(bytes: usize) -> String {
    let line = "INSERT INTO visits VALUES (17, 'nothing of note', 42);\n";
    let mut text = line.repeat((bytes - 1) / line.len());
    text.push_str(&"-".repeat(bytes - text.len() - 1));
    text.push('\n');
    text
}

#[test]
fn a_large_text_is_looked_at_whole() {
    let token = format!("ghp_{}", random(36));
    let text = format!("{}token = {token}\n{}", filler(3 << 20), filler(1 << 20));
    let line = text[..3 << 20].lines().count() as u64 + 1;
    assert_eq!(
        scan("dump.sql".into(), text.as_bytes()),
        [Finding { path: "dump.sql".into(), kind: "GitHub token", line, place: Place::File, commit: None }]
    );
    finds("dump.sql", format!("{}{}", filler(2 << 20), pem("PRIVATE KEY")), "private key");
    let id = format!("AK{}{}", "IA", random(16).to_uppercase());
    finds("log", format!("{}{id}\n{}\n", filler(5 << 20), random(40)), "AWS access key");
    finds("x/.env", format!("{}API_KEY=f3a91bc7\n", "# a comment\n".repeat(200_000)), ".env file with values");
    let wide = format!("{}{token}", filler(1 << 20)).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    finds("wide.txt", [&[0xff, 0xfe], &wide[..]].concat(), "GitHub token");
}

#[test]
fn a_secret_that_lies_across_two_pieces_is_found() {
    let (token, key) = (format!("ghp_{}", random(36)), pem("PRIVATE KEY"));
    for before in (0..200).step_by(7) {
        finds("a.txt", format!("{}{key}{}", filler(PIECE_BYTES - before), filler(4096)), "private key");
        // No line ends anywhere near.
        let (head, tail) = ("x".repeat(PIECE_BYTES - before), "x".repeat(200_000));
        finds("a.min.js", format!("{head}'{token}'{tail}"), "GitHub token");
        finds("a.min.js", format!("{}'{token}'{tail}", "ab;".repeat((PIECE_BYTES - before) / 3)), "GitHub token");
    }
}

#[test]
fn a_word_that_is_cut_is_no_secret() {
    for before in 0..60 {
        let text = format!("{}\n{} ghp_{}", filler(PIECE_BYTES - 300), "y".repeat(240 + before), random(90));
        quiet("a.txt", &text);
        quiet("a.txt", format!("{text}\n{}", filler(PIECE_BYTES)));
    }
}

#[test]
fn of_a_large_binary_the_name_counts_and_a_text_that_is_too_large_is_named() {
    let binary = [&[0; 100], filler(PIECE_BYTES).as_bytes(), pem("PRIVATE KEY").as_bytes()].concat();
    quiet("a.bin", &binary);
    finds("a.p12", &binary, "key store");
    let endless = |path: &str, byte: u8| read(path.into(), TEXT_BYTES_MAX + 1, &mut io::repeat(byte)).unwrap();
    assert_eq!(
        endless("a.txt", b'x'),
        [Finding { path: "a.txt".into(), kind: TOO_LARGE, line: 0, place: Place::File, commit: None }]
    );
    assert_eq!(endless("a.bin", 0), []);
    assert_eq!(endless("a.sql.example", b'x'), []);
}

#[test]
fn a_content_that_ends_early_is_not_taken_for_looked_at() {
    let text = filler(PIECE_BYTES + 10);
    assert!(read("a".into(), text.len() as u64 + 1, &mut text.as_bytes()).is_err());
    assert!(read("a".into(), text.len() as u64, &mut text.as_bytes()).is_ok());
}

#[test]
fn names_are_shown_without_what_moves_a_cursor() {
    let found = scan(b"a\x1b[2J/\xff.p12".as_bstr(), b"");
    assert_eq!(found[0].path, "a\u{fffd}[2J/\u{fffd}.p12");
}

/// Steps grow with the length and not with its square: each of these would take minutes otherwise.
#[test]
fn hostile_lines_take_linear_time() {
    let begin = concat!("-----BEGIN", " PRIVATE KEY-----");
    let pieces =
        ["a", "://", "a://b:c", "://a:b@", "a://b:ccccccc@d", "-----BEGIN ", begin, "ghp_", "ghp_ ", "glpat-", "AIza"];
    let more = [
        "AKIA",
        "\"auth\":\"",
        "\"auth\" ",
        "client-key-data:",
        "password ",
        "A=b",
        "A=\n",
        "=",
        ":",
        " ",
        "\n",
        "xoxb-1",
    ];
    for piece in pieces.iter().chain(&more) {
        scan("a".into(), piece.repeat(PIECE_BYTES / piece.len()).as_bytes());
        let shorter = piece.repeat(PIECE_BYTES / 8 / piece.len());
        for path in [".env", ".netrc", ".npmrc", ".docker/config.json"] {
            scan(path.into(), shorter.as_bytes());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_under_any_name_are_looked_at_without_fault(
        path in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            proptest::sample::select(vec![
                ".env", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials", ".docker/config.json", "x/", "", "/",
            ]).prop_map(|name| name.as_bytes().to_vec()),
        ],
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                proptest::sample::select(vec![
                    "://", "@", ":", "=", "\"", "password ", "-----BEGIN ", "PRIVATE KEY-----", "ghp_", "AKIA", "$", "{", "}",
                    "\u{feff}", "\n", "client-key-data:", "\"auth\"", "AIza", "%", "<", ">",
                ]).prop_map(|part| part.as_bytes().to_vec()),
            ],
            0..20,
        ),
    ) {
        let content = parts.concat();
        for finding in scan(path.as_bstr(), &content) {
            let lines = content.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
            prop_assert!(finding.line <= lines);
        }
    }
}

#[test]
fn tokens_in_names_are_found_whatever_joins_them() {
    let token = format!("ghp_{}", random(36));
    for name in
        ["{}", "{}.txt", "a/{}/b", "old-{}", "old_{}.log", "fix/{}", "Merge branch 'fix/{}'", "new a/{}.txt (+3)"]
    {
        let name = name.replace("{}", &token);
        assert_eq!(names::tokens(name.as_bytes()), [("GitHub token", token.as_bytes())], "{name}");
    }
    for name in
        ["x".repeat(40), format!("my{token}"), format!("{token}x"), "ghp_".into(), format!("ghp_{}", random(35))]
    {
        assert_eq!(names::tokens(name.as_bytes()), [], "{name}");
    }
}
