//! Secrets behind encodings.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{Key, PASSWORD, masked, redactor, token};

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn the_same_secret_has_the_same_fingerprint_through_every_encoding() {
    let token = token();
    let escaped: String = token.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let bytes: String = token.bytes().map(|byte| format!("\\x{byte:02X}")).collect();
    let percent: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let percent_twice = percent.replace('%', "%25");
    let nuls: String = token.chars().flat_map(|c| [c, '\0']).collect();
    let nul_escapes: String = token.chars().map(|c| format!("{c}\\u0000")).collect();
    let entities: String = token.chars().map(|c| format!("&#{};", u32::from(c))).collect();
    let text = format!("here is my token: {token}\n");
    let encoded = STANDARD.encode(&text);
    let wrapped: Vec<&str> = encoded.as_bytes().chunks(40).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let cases = [
        format!("say \"{token}\""),
        quoted(&format!("line\n{token}\nline")),
        format!("echo {}", quoted(&format!("line\n{token}\nline"))),
        format!("echo {}", quoted(&quoted(&format!("line\n{token}\nline")))),
        format!("see {escaped} there"),
        format!("see {bytes} there"),
        format!("see {entities} there"),
        format!("see {percent} there"),
        format!("see {percent_twice} there"),
        format!("see {nuls} there"),
        format!("see {nul_escapes} there"),
        format!("see {} there", hex(&text)),
        format!("see {encoded} there"),
        format!("see {} there", URL_SAFE_NO_PAD.encode(&text)),
        format!("see {} there", STANDARD.encode(&encoded)),
        format!("see {} there", STANDARD.encode(utf16(&text))),
        format!("see\n{}\nthere", wrapped.join("\n")),
        format!("see\n+  {}\nthere", wrapped.join("\n+  ")),
        format!("see \"{}\" there", wrapped.join("\\n")),
        format!("see {}\n{} there", &token[..20], &token[20..]),
        format!("see {}\\\n    {} there", &token[..20], &token[20..]),
        format!("+see {}\n+{} there", &token[..25], &token[25..]),
        format!("> see {}\r\n> {} there", &token[..25], &token[25..]),
        format!("\u{1b}[31m{}\u{1b}[0m{} there", &token[..6], &token[6..]),
    ];
    let fingerprint = Key::new([7; 32]).fingerprint(&token);
    for text in cases {
        let found = masked(&text, &token);
        assert_eq!(found.findings.len(), 1, "{text:?}: {:?}", found.findings);
        assert_eq!(found.findings[0].fingerprint, fingerprint, "{text:?}: {:?}", found.findings);
        assert!(found.text.contains(&format!("[REDACTED:github-pat:{fingerprint}]")), "{text:?}: {}", found.text);
    }
}

#[test]
fn named_values_are_found_through_escapes() {
    for text in [
        format!("password={PASSWORD}"),
        format!("{{\"password\":\"{PASSWORD}\"}}"),
        quoted(&format!("{{\"password\": \"{PASSWORD}\"}}")),
        format!("curl -d {}", quoted(&format!("{{\"password\": \"{PASSWORD}\"}}"))),
        format!("x = {}", quoted(&quoted(&format!("{{\"password\": \"{PASSWORD}\"}}")))),
        format!("&quot;password&quot;: &quot;{PASSWORD}&quot;"),
        format!("https://h.example/?password%3D{PASSWORD}"),
    ] {
        let found = masked(&text, PASSWORD);
        assert_eq!(found.findings[0].fingerprint, Key::new([7; 32]).fingerprint(PASSWORD), "{text:?} {}", found.text);
    }
}

#[test]
fn an_escaped_break_ends_an_unquoted_value() {
    let text = format!("printf 'A=1\\nPASSWORD={PASSWORD}\\nB=2\\n'");
    let found = masked(&text, PASSWORD);
    assert!(found.text.ends_with("]\\nB=2\\n'"), "{}", found.text);
}

#[test]
fn the_next_line_is_not_part_of_a_value() {
    let text = format!("PASSWORD={PASSWORD}\nNEXT2=abc\n");
    assert!(masked(&text, PASSWORD).text.ends_with("]\nNEXT2=abc\n"));
}

#[test]
fn images_and_random_bytes_are_left_alone() {
    let bytes: Vec<u8> = (0..3000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let text = format!("data:image/png;base64,{0} and {0}", STANDARD.encode(&bytes));
    assert_eq!(redactor().text(&text).text, text);
}

#[test]
fn a_backslash_before_any_character_hides_no_secret() {
    let token = token();
    for text in [
        format!("\"\\é {token}\""),
        format!("[\"\\𑼒\\u0067 {token}\"]"),
        format!("{{\"\\u𐇨\": \"\\u{token}\"}}"),
        format!("\u{1b}]0;title\u{1b}é\u{1b}[1m{token}"),
        format!("\u{1b}]0;title\u{1b}[1m{token}"),
    ] {
        masked(&text, &token);
    }
}
