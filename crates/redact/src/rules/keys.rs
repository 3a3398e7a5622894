//! Private keys, tokens that say what they are, and phrases.

use super::Rule;
use super::example::{alnum, alone, base64, block, encoded, hex, within};
use super::value::{is_jwt, is_mnemonic, is_pem, plausible};

/// Rules of keys.
pub(super) const RULES: &[Rule] = &[
    rule!(
        "private-key",
        "private key block (PEM, OpenSSH, PGP), whole",
        ["private key"],
        r"(?-u)(?<secret>-----BEGIN[ A-Z0-9_\-]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:.,;()<>@_|>#*]|-[A-Za-z0-9]|-{1,4}[ \n\\]){24,}-----END[ A-Z0-9_\-]{0,40}PRIVATE KEY(?: BLOCK)?-----)",
        2.5,
        Certain,
        is_pem,
        block("OPENSSH PRIVATE KEY")
    ),
    rule!(
        "private-key-cut",
        "private key block whose end is missing",
        ["private key"],
        r"(?-u)(?<secret>-----BEGIN[ A-Z0-9_\-]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\s\\nr]{0,16}[A-Za-z0-9+/=]{16,}){1,240})",
        2.5,
        Certain,
        is_pem,
        {
            let secret = format!("-----{} RSA PRIVATE KEY-----\n{}\n{}", "BEGIN", base64(64), base64(60));
            within("head -3 key.pem\n", &secret, "\n[cut]")
        }
    ),
    rule!(
        "private-key-legacy",
        "encrypted or SSH2 private key block",
        ["ssh2 encrypted", "ssh2 private", "encrypted message"],
        r"(?-u)(?<secret>---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY -[-\s]{2,4}-[A-Za-z0-9+/=\s\\:;,.()@_-]{24,}?-[-\s]{2,4}-\s{1,2}E\s?N\s?D[A-Z0-9\s]{10,40}-[-\s]{2,4}-)",
        2.5,
        Certain,
        is_pem,
        {
            let secret = format!(
                "---- {} SSH2 ENCRYPTED PRIVATE KEY ----\n{}\n---- {} SSH2 ENCRYPTED PRIVATE KEY ----",
                "BEGIN",
                base64(64),
                "END"
            );
            within("", &secret, "\n")
        }
    ),
    rule!(
        "putty-key",
        "private part of a key of PuTTY",
        ["private-lines"],
        r"(?-u)Private-Lines:\s{0,4}\d{1,3}(?:\s|\\[nr]){1,4}(?<secret>(?:[A-Za-z0-9+/=]{16,}(?:\s|\\[nr]){0,4}){1,})",
        2.5,
        Certain,
        is_pem,
        within("Private-Lines: 2\n", &format!("{}\n{}", base64(64), base64(48)), "\0")
    ),
    rule!(
        "jwk-private",
        "private member of a JSON web key",
        ["\"d\"", "\"d\\"],
        r#"(?-u)"d\\{0,6}"\s{0,4}:\s{0,4}\\{0,6}"(?<secret>[A-Za-z0-9_\-]{40,})"#,
        3.0,
        Certain,
        plausible,
        within(&format!("{{\"kty\":\"EC\",\"x\":\"{}\",\"d\":\"", alnum(44)), &alnum(43), "\"}")
    ),
    rule!(
        "jwt",
        "JSON web token",
        ["eyj"],
        r"(?-u)(?<secret>\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]{0,}){1,3})",
        3.0,
        Certain,
        is_jwt,
        alone(&[
            &encoded("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"),
            ".",
            &encoded("{\"sub\":\"5829471634\",\"iat\":1516239022}"),
            ".",
            &alnum(43)
        ])
    ),
    rule!(
        "mnemonic",
        "recovery phrase of a wallet, named",
        ["mnemonic", "seed phrase", "seed_phrase", "recovery phrase", "recovery_phrase", "seedphrase"],
        r#"(?i-u)(?:mnemonic|seed[ _\-]?phrase|recovery[ _\-]?phrase)[a-z _\-]{0,12}[\\"'`]{0,4}\s{0,4}[:=]\s{0,4}[\\"'`]{0,4}(?<secret>(?:[a-z]{3,8}[ ]){11,23}[a-z]{3,8})"#,
        2.5,
        Certain,
        is_mnemonic,
        within(
            "MNEMONIC=\"",
            &[
                "barn", "hedge", "silver", "orbit", "canoe", "tulip", "fabric", "mango", "rescue", "upper", "zebra",
                "lumber"
            ]
            .join(" "),
            "\""
        )
    ),
    rule!(
        "wallet-key",
        "private key of a wallet, named",
        ["private_key", "privatekey", "private-key", "secret_key", "wif"],
        r#"(?i-u)(?:private[_\-]?key|secret[_\-]?key|\bwif)[\\"'`]{0,4}\s{0,4}[:=]\s{0,4}[\\"'`]{0,4}(?<secret>0x[0-9a-f]{64}\b|[5KLc][1-9A-HJ-NP-Za-km-z]{50,51}\b|[1-9A-HJ-NP-Za-km-z]{87,88}\b)"#,
        3.0,
        Likely,
        plausible,
        within("PRIVATE_KEY=", &format!("0x{}", hex(64)), "\n")
    ),
    rule!(
        "extended-key",
        "extended private key",
        ["xprv", "yprv", "zprv", "tprv"],
        r"(?-u)(?<secret>\b[xyzt]prv[1-9A-HJ-NP-Za-km-z]{100,}\b)",
        3.0,
        Certain,
        plausible,
        alone(&["xp", "rv", &alnum(107).replace(['0', 'O', 'I', 'l'], "k")])
    ),
    rule!(
        "minisign-key",
        "secret key of minisign or signify",
        ["rwr", "rwq"],
        r"(?-u)(?<secret>\bRW(?:R[TC]|QA)[A-Za-z0-9+/]{150,}={0,2})",
        3.0,
        Certain,
        plausible,
        alone(&["RW", "RT", &base64(200)])
    ),
    rule!(
        "ssh-passphrase",
        "passphrase in a command of SSH keys",
        ["ssh-keygen", "sshpass"],
        r#"(?-u)\b(?:ssh-keygen\b[\t -%\x27-:<-{}~]{0,120}?\s-[NP]\s{1,4}|sshpass\s{1,4}-p\s{0,4})["']?(?<secret>[!#-&(-\[\]-~]{4,})"#,
        1.5,
        Certain,
        super::value::plausible_password,
        within("sshpass -p ", &alnum(14), " ssh dana@host")
    ),
    rule!(
        "wireguard-key",
        "private key of WireGuard",
        ["privatekey", "presharedkey"],
        r"(?-u)\b(?:PrivateKey|PresharedKey)\s{0,4}=\s{0,4}(?<secret>[A-Za-z0-9+/]{43}=)",
        3.0,
        Certain,
        plausible,
        within("PrivateKey = ", &format!("{}=", base64(43)), "\n")
    ),
];
