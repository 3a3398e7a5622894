//! Signatures of requests: AWS Signature Version 4, in headers.
//!
//! # Source
//! AWS, "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.

use carry_kernel::clock::Timestamp;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::hash::{Digest, encode_hex};
use crate::percent::encode_text;

use super::credentials::Credentials;

/// What of a request is signed.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// As it stands in the `Host` header.
    pub(super) host: &'a str,
    /// Encoded as by [`encode_path`](crate::percent::encode_path).
    pub(super) path: &'a str,
    /// In order of name and value, encoded as by [`encode_query`].
    pub(super) query: &'a str,
    /// The SHA-256 of the body.
    pub(super) body: Digest,
}

/// The headers that sign a request at `now`, `Host` left out.
pub(super) fn sign(
    request: &Signable<'_>,
    credentials: &Credentials,
    region: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let (moment, body) = (moment(now), encode_hex(request.body.as_bytes()));
    let day = moment.get(..8).unwrap_or_default();
    let token = credentials.token();
    let mut headers = vec![("host", request.host), ("x-amz-content-sha256", &body), ("x-amz-date", &moment)];
    headers.extend(token.map(|token| ("x-amz-security-token", token)));
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("{}\n{}\n{}\n{lines}\n{names}\n{body}", request.method, request.path, request.query);
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text =
        format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", encode_hex(Digest::of(&[canonical.as_bytes()]).as_bytes()));
    let first = format!("AWS4{}", credentials.secret());
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .fold(first.into_bytes(), |key, word| mac(&key, word.as_bytes()).to_vec());
    let signature = encode_hex(&mac(&key, text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.key_id()
    );
    let mut signed = vec![("authorization", authorization), ("x-amz-content-sha256", body)];
    signed.extend(token.map(|token| ("x-amz-security-token", token.to_owned())));
    signed.push(("x-amz-date", moment));
    signed
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// `20261129T071145Z`.
fn moment(now: Timestamp) -> String {
    let text = now.to_rfc3339();
    let seconds = text.split_once('.').map_or(&*text, |(seconds, _)| seconds);
    let mut moment: String = seconds.chars().filter(char::is_ascii_alphanumeric).collect();
    moment.push('Z');
    moment
}

/// `name=value` of all, encoded, in order.
pub(super) fn encode_query(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<_> =
        query.iter().map(|(name, value)| format!("{}={}", encode_text(name), encode_text(value))).collect();
    pairs.sort();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent::encode_path;

    const MOMENT: Timestamp = Timestamp::from_secs(1_369_353_600);

    #[track_caller]
    fn check(path: &str, query: &[(&str, &str)], expected: &str) {
        let credentials =
            Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "a test");
        let request = Signable {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path,
            query: &encode_query(query),
            body: Digest::of(&[]),
        };
        let headers = sign(&request, &credentials, "us-east-1", MOMENT);
        assert_eq!(headers[0].1.rsplit_once('=').unwrap().1, expected, "{headers:?}");
    }

    #[test]
    fn listings_are_signed_as_amazon_documents() {
        // Of the documentation's examples, those that sign no further header.
        check(
            "/",
            &[("prefix", "J"), ("max-keys", "2")],
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
        check("/", &[("lifecycle", "")], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    }

    #[test]
    fn a_token_is_signed_too() {
        let credentials = Credentials::new("ID", "secret", Some("token"), None, "a test");
        let request = Signable { method: "PUT", host: "h", path: "/a", query: "", body: Digest::of(&[]) };
        let headers = sign(&request, &credentials, "eu", MOMENT);
        assert!(headers[0].1.contains("host;x-amz-content-sha256;x-amz-date;x-amz-security-token, "), "{headers:?}");
        assert!(headers.contains(&("x-amz-security-token", "token".to_owned())));
        assert!(headers.contains(&("x-amz-date", "20130524T000000Z".to_owned())));
        assert!(!format!("{headers:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_letter_is_encoded() {
        assert_eq!(encode_path("/b/a+b & ä~/x"), "/b/a%2Bb%20%26%20%C3%A4~/x");
        assert_eq!(encode_query(&[("b", "/"), ("a", "=")]), "a=%3D&b=%2F");
    }
}
