use super::*;

#[track_caller]
fn entries(xml: &str) -> Result<Vec<Entry>, String> {
    let mut all = Vec::new();
    let read = read(xml.as_bytes(), &mut |entry| {
        all.push(entry);
        ControlFlow::Continue(())
    });
    read.map(|_| all).map_err(|broken| broken.to_string())
}

fn file(href: &str, bytes: u64, tag: &str) -> Entry {
    Entry { href: href.to_owned(), bytes: Some(bytes), tag: Some(tag.to_owned()), ..Entry::default() }
}

#[test]
fn prefixes_are_the_servers_own_and_missing_properties_stand_apart() {
    for (open, prefix) in
        [("xmlns:d=\"DAV:\"", "d:"), ("xmlns=\"DAV:\"", ""), ("xmlns:lp1='DAV:' xmlns:d='urn:x'", "lp1:")]
    {
        let xml = "<?xml version=\"1.0\"?><!-- > -->
            <P:multistatus OPEN a=\">\"><P:response><P:href>/x/carry/h/</P:href><P:propstat><P:prop><P:resourcetype>
            <P:collection/></P:resourcetype></P:prop><P:status>HTTP/1.1 200 OK</P:status></P:propstat><P:propstat><P:prop>
            <P:getcontentlength/><P:getetag>no</P:getetag></P:prop><P:status>HTTP/1.1 404 Not Found</P:status></P:propstat>
            </P:response><P:response><P:href> /a&amp;b%20&#x63; </P:href><P:propstat><P:prop><P:getcontentlength>17
            </P:getcontentlength><P:resourcetype/><P:getetag><![CDATA[\"<1>\"]]></P:getetag></P:prop><P:status>HTTP/1.1 200 OK
            </P:status></P:propstat></P:response></P:multistatus>";
        let xml = xml.replace("OPEN", open).replace("P:", prefix);
        let folder = Entry { href: "/x/carry/h/".to_owned(), is_folder: true, ..Entry::default() };
        assert_eq!(entries(&xml).unwrap(), [folder, file("/a&b%20c", 17, "\"<1>\"")]);
    }
}

#[test]
fn what_is_not_of_the_namespace_does_not_count() {
    let xml = "<d:multistatus xmlns:d='DAV:' xmlns:x='urn:x'><d:response><d:href>/a</d:href><x:href>/b</x:href><d:propstat><d:prop>
        <d:getcontentlength>1</d:getcontentlength><x:getcontentlength>2</x:getcontentlength><x:box><d:getetag>3</d:getetag></x:box>
        </d:prop></d:propstat></d:response><d:response><d:href>/c</d:href><d:status>HTTP/1.1 423 Locked</d:status></d:response>
        <d:responsedescription>words</d:responsedescription></d:multistatus>";
    let locked = Entry { href: "/c".to_owned(), status: Some(423), ..Entry::default() };
    let plain = Entry { href: "/a".to_owned(), bytes: Some(1), ..Entry::default() };
    assert_eq!(entries(xml).unwrap(), [plain, locked]);
}

#[test]
fn sizes_that_are_none_are_unknown() {
    for size in ["", "-1", "1e3", "99999999999999999999999"] {
        let xml = format!(
            "<m:multistatus xmlns:m='DAV:'><m:response><m:href>/a</m:href><m:propstat><m:prop><m:getcontentlength>{size}\
             </m:getcontentlength></m:prop></m:propstat></m:response></m:multistatus>"
        );
        assert_eq!(entries(&xml).unwrap()[0].bytes, None, "{size}");
    }
}

#[test]
fn bombs_and_nonsense_are_refused() {
    let laughs = "<!DOCTYPE m [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><m:multistatus xmlns:m='DAV:'><m:response><m:href>&b;\
                  </m:href></m:response></m:multistatus>";
    let entity = "<m:multistatus xmlns:m='DAV:'><m:response><m:href>&b;</m:href></m:response></m:multistatus>";
    let long = format!("<m:multistatus xmlns:m='DAV:'><m:response><m:href>{}</m:href>", "&amp;".repeat(20_000));
    let deep = format!("<m:multistatus xmlns:m='DAV:'>{}", "<x>".repeat(100));
    let names = format!("<m:multistatus xmlns:m='DAV:'><m:response>{}", "<m:href>/</m:href>".repeat(100));
    for (xml, expected) in [
        (laughs, "declares a document type"),
        (entity, "names an entity"),
        (&long, "too long"),
        (&deep, "too deep"),
        (&names, "too many names"),
        ("", "empty"),
        ("words", "empty"),
        ("<html><body>Sign in</body></html>", "no multistatus"),
        ("<multistatus xmlns='urn:other'/>", "no multistatus"),
        ("<m:multistatus xmlns:m='DAV:'></x>", "not well-formed"),
        ("<m:multistatus xmlns:m='DAV:'><m:response>", "ends in the middle"),
        ("<m:multistatus xmlns:m='DAV:'><m:resp", ""),
    ] {
        let error = entries(xml).unwrap_err();
        assert!(error.contains(expected), "{xml:.80}: {error}");
    }
    let mut seen = 0;
    let latin = b"<m:multistatus xmlns:m='DAV:'><m:response><m:href>/\xe4</m:href></m:response></m:multistatus>";
    let read = read(&latin[..], &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert!(read.unwrap_err().to_string().contains("not UTF-8") && seen == 0);
}

#[test]
fn who_has_seen_enough_reads_no_further() {
    let xml = "<m:multistatus xmlns:m='DAV:'><m:response><m:href>/a</m:href></m:response><broken";
    let read = read(xml.as_bytes(), &mut |_| ControlFlow::Break(()));
    assert!(read.unwrap().is_break());
}
