//! Letters as the index has them: lower case, Latin ones without diacritics.

/// U+00E0 to U+017F without their diacritics, one character each; `.` keeps the letter as it is.
const LATIN: &str = concat!(
    "aaaaaa.ceeeeiiii", // 00E0
    ".nooooo.ouuuuy.y", // 00F0
    "aaaaaaccccccccdd", // 0100
    "ddeeeeeeeeeegggg", // 0110
    "gggghhhhiiiiiiii", // 0120
    "ii..jjkk.lllllll", // 0130
    "lllnnnnnn...oooo", // 0140
    "oo..rrrrrrssssss", // 0150
    "ssttttttuuuuuuuu", // 0160
    "uuuuwwyyyzzzzzzs", // 0170
);

/// First characters of ranges of Latin Extended Additional, with the letter that the range decorates.
const VIETNAMESE_AND_OTHERS: &[(u32, char)] = &[
    (0x1E00, 'a'),
    (0x1E02, 'b'),
    (0x1E08, 'c'),
    (0x1E0A, 'd'),
    (0x1E14, 'e'),
    (0x1E1E, 'f'),
    (0x1E20, 'g'),
    (0x1E22, 'h'),
    (0x1E2C, 'i'),
    (0x1E30, 'k'),
    (0x1E36, 'l'),
    (0x1E3E, 'm'),
    (0x1E44, 'n'),
    (0x1E4C, 'o'),
    (0x1E54, 'p'),
    (0x1E58, 'r'),
    (0x1E60, 's'),
    (0x1E6A, 't'),
    (0x1E72, 'u'),
    (0x1E7C, 'v'),
    (0x1E80, 'w'),
    (0x1E8A, 'x'),
    (0x1E8E, 'y'),
    (0x1E90, 'z'),
    (0x1E96, 'h'),
    (0x1E97, 't'),
    (0x1E98, 'w'),
    (0x1E99, 'y'),
    (0x1E9A, '.'),
    (0x1EA0, 'a'),
    (0x1EB8, 'e'),
    (0x1EC8, 'i'),
    (0x1ECC, 'o'),
    (0x1EE4, 'u'),
    (0x1EF2, 'y'),
    (0x1EFA, '.'),
];

/// The letter as the index has it.
pub(super) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let lower = c.to_lowercase().next().unwrap_or(c);
    let plain = match u32::from(lower) {
        code @ 0xE0..=0x17F => char::from(LATIN.as_bytes()[(code - 0xE0) as usize]),
        0x1A1 => 'o',
        0x1B0 => 'u',
        0x1CE => 'a',
        0x1D0 => 'i',
        0x1D2 => 'o',
        0x1D4 | 0x1D6 | 0x1D8 | 0x1DA | 0x1DC => 'u',
        code @ 0x1E00..=0x1EFF => {
            let next = VIETNAMESE_AND_OTHERS.partition_point(|(first, _)| *first <= code);
            VIETNAMESE_AND_OTHERS[next.saturating_sub(1)].1
        }
        // The sigma at the end of a word.
        0x3C2 => 'σ',
        _ => '.',
    };
    if plain == '.' { lower } else { plain }
}

/// A mark that combines with the letter before it.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}')
}

/// A character of a script that is written without blanks, or (Korean) with endings joined to words.
pub(super) fn is_paired(c: char) -> bool {
    matches!(u32::from(c),
        0x0E01..=0x0EFF // Thai, Lao
        | 0x1000..=0x109F | 0x1780..=0x17DD // Burmese, Khmer
        | 0x1100..=0x11FF | 0x3130..=0x318F | 0xA960..=0xA97F | 0xAC00..=0xD7FF // Hangul
        | 0x3005..=0x3007 | 0x3041..=0x3096 | 0x3099..=0x309A | 0x309D..=0x309F // Hiragana and signs of repetition
        | 0x30A1..=0x30FA | 0x30FC..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F // Katakana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF) // Han
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latin_letter_of_the_table_has_a_place() {
        assert_eq!(LATIN.len(), 0x180 - 0xE0);
    }

    #[test]
    fn letters_lose_case_and_diacritics() {
        let folded: String = "ÀÉÎÕÜÇÑŠŽŁĐØſİı ệƯỜ ΣΑΣς Ж".chars().map(fold).collect();
        assert_eq!(folded, "aeioucnszldosii euo σασσ ж");
    }
}
