use super::*;

#[test]
fn every_state_has_its_class() {
    let expected = [
        (Class::AuthRequired, "28000 28P01"),
        (Class::Forbidden, "42501 3D000"),
        (Class::Full, "53000 53100 53300 53400 25006 57000 57P01 57P02 57P03 57P04 58000 58030"),
        (Class::Exhausted, "53200"),
        (Class::Contended, "40000 40001 40002 40003 40P01 55P03 55006 57014 25P04"),
        (Class::Unreachable, "08000 08001 08003 08004 08006 08P01 25P03 57P05"),
        (
            Class::Refused,
            "22001 22003 22008 22021 22P02 22P05 23502 23503 23505 23514 44000 54000 54001 54023 P0001 XX000 XX001",
        ),
        (Class::Unsupported, "42P01 42703 42883 42804 42P10 3F000 0A000 26000"),
        (Class::Internal, "25P02 25001 2D000 21000 00000 HV000 99999 x é"),
    ];
    for (class, codes) in expected {
        for code in codes.split(' ') {
            assert_eq!(class_of(code), class, "{code}");
        }
    }
}

#[test]
fn messages_that_can_hold_content_are_not_repeated() {
    for code in ["22P02", "22021", "23505", "23514", "XX000", "P0001", "42601"] {
        assert!(!may_be_repeated(code), "{code}");
    }
    for code in ["42501", "28P01", "53100", "57P01", "08006", "40001"] {
        assert!(may_be_repeated(code), "{code}");
    }
}
