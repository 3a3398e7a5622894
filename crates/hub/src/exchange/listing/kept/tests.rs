use std::time::Duration;

use carry_exchange::remote::Version;

use super::*;

/// A folder, and how often it was read.
struct Folder {
    files: Vec<Listing>,
    stamp: Stamp,
    readings: usize,
}

fn file(n: usize) -> Listing {
    Listing { name: format!("{n:07}"), bytes: n as u64, version: Version(String::new()) }
}

fn stamp(n: i64) -> Stamp {
    Some((1, 1, n, 0, n, 0))
}

impl Folder {
    fn new(n_files: usize) -> Self {
        // In no order.
        let files = (0..n_files).map(|n| file(n * 7919 % n_files)).collect();
        Self { files, stamp: stamp(0), readings: 0 }
    }

    fn page(&mut self, listings: &Listings, after: &str, now: Instant) -> (Vec<Listing>, bool) {
        let (files, readings) = (&self.files, &mut self.readings);
        let page = listings.page("carry/l/a", after.to_owned(), (self.stamp, now), |window| {
            *readings += 1;
            for some in files.chunks(PAGE_FILES_MAX) {
                window.take(some);
            }
            Ok(())
        });
        page.unwrap()
    }

    fn all(&mut self, listings: &Listings, now: Instant) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let (files, is_more) = self.page(listings, &after, now);
            names.extend(files.into_iter().map(|file| file.name));
            if !is_more {
                return names;
            }
            after = names.last().unwrap().clone();
        }
    }
}

#[test]
fn a_folder_is_read_once_for_all_its_pages() {
    let (listings, mut folder, now) = (Listings::default(), Folder::new(20_011), Instant::now());
    let names = folder.all(&listings, now);
    assert_eq!(names.len(), 20_011);
    assert!(names.is_sorted());
    assert_eq!(folder.readings, 1, "21 pages");
}

#[test]
fn more_than_a_window_is_read_once_a_window() {
    let n_files = 2 * WINDOW_FILES_MAX + 7;
    let (listings, mut folder, now) = (Listings::default(), Folder::new(n_files), Instant::now());
    let names = folder.all(&listings, now);
    assert_eq!(names.len(), n_files);
    assert!(names.is_sorted());
    assert_eq!(folder.readings, 3);
    let kept: usize = listings.slots().iter().map(|slot| slot.n_files).sum();
    assert!(kept <= WINDOW_FILES_MAX);
}

#[test]
fn a_listing_that_begins_anew_shows_what_came() {
    let (listings, mut folder, begun) = (Listings::default(), Folder::new(10), Instant::now());
    let at = |ms| begun + Duration::from_millis(ms);
    assert_eq!(folder.all(&listings, at(0)).len(), 10);
    // So soon after a change another may bear the same stamp.
    folder.files.push(file(10));
    assert_eq!(folder.all(&listings, at(1000)).len(), 11);
    assert_eq!(folder.all(&listings, at(3500)).len(), 11);
    assert_eq!(folder.readings, 3);
    assert_eq!(folder.all(&listings, at(4000)).len(), 11);
    assert_eq!(folder.readings, 3, "nothing happened in between");
    folder.files.push(file(11));
    folder.stamp = stamp(1);
    assert_eq!(folder.all(&listings, at(4500)).len(), 12, "another stamp");
    assert_eq!(folder.all(&listings, at(8000)).len(), 12);
    folder.files[0].bytes = 100;
    listings.touch("carry/l/b");
    assert_eq!(folder.page(&listings, "", at(8500)).0[0].bytes, 0);
    listings.touch("carry/l/a");
    assert_eq!(folder.page(&listings, "", at(8500)).0[0].bytes, 100, "what was put here is known of");
    assert_eq!(folder.readings, 6);
    folder.all(&listings, at(12_000));
    folder.all(&listings, at(28_000));
    assert_eq!(folder.readings, 8, "now and then it is read to be sure");
}

#[test]
fn a_page_that_goes_on_comes_from_the_same_reading_for_a_while() {
    let (listings, mut folder, now) = (Listings::default(), Folder::new(1500), Instant::now());
    let (first, is_more) = folder.page(&listings, "", now);
    assert!(is_more);
    folder.stamp = stamp(1);
    let last = &first.last().unwrap().name;
    let (rest, is_more) = folder.page(&listings, last, now);
    assert_eq!((rest.len(), is_more, folder.readings), (500, false, 1));
    folder.page(&listings, last, now + READ_EVERY);
    assert_eq!(folder.readings, 2);
}

#[test]
fn a_reading_that_failed_leaves_nothing_behind() {
    let listings = Listings::default();
    let failed = listings.page("h", String::new(), (None, Instant::now()), |window| {
        window.take(&[file(1)]);
        Err(RemoteError::NoMarker { place: String::new() })
    });
    assert!(failed.is_err());
    let (files, _) = listings.page("h", "0".to_owned(), (None, Instant::now()), |_| Ok(())).unwrap();
    assert!(files.is_empty());
}

#[test]
fn what_is_kept_is_bounded_in_folders_and_in_names() {
    let (listings, now) = (Listings::default(), Instant::now());
    let files: Vec<Listing> = (0..WINDOW_FILES_MAX).map(file).collect();
    let list = |folder: &str, files: &[Listing]| {
        listings
            .page(folder, String::new(), (None, now), |window| {
                window.take(files);
                Ok(())
            })
            .unwrap();
    };
    for n in 0..10 {
        list(&n.to_string(), &files);
    }
    let slots: Vec<String> = listings.slots().iter().map(|slot| slot.folder.clone()).collect();
    assert_eq!(slots, ["6", "7", "8", "9"]);
    for n in 0..1000 {
        list(&n.to_string(), &files[..1]);
    }
    assert_eq!(listings.slots().len(), FOLDERS_MAX);
}
