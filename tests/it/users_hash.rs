//! Hashes of passwords: which passwords verify, which hashes are refused, and that debug output never shows them.

use jet::users::{Auth, Cost, Hash, MAX_NAME_BYTES, MAX_PASSWORD_BYTES, Password, User, Users};

/// The hash of 'password' with 'somesalt', from the tests of argon2's reference implementation.
const REFERENCE: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// The cost of hashes in tests that do not depend on it.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

fn password(text: &str) -> Password {
    Password::from(text.to_owned())
}

fn refusal(text: &str) -> String {
    Hash::parse(text).map(|_| ()).expect_err(text).to_string()
}

#[test]
fn a_password_verifies_against_its_hash_only() {
    let hash = Hash::of(&password("grün, 緑")).expect("hashed");
    assert!(hash.verify(&password("grün, 緑")));
    for wrong in ["", "grün", "grün, 緑 ", "Grün, 緑"] {
        assert!(!hash.verify(&password(wrong)), "{wrong}");
    }
    let read = Hash::parse(&hash.to_phc()).expect("a hash");
    assert!(read.verify(&password("grün, 緑")));
}

#[test]
fn hashes_of_the_reference_implementation_verify() {
    let hash = Hash::parse(REFERENCE).expect("a hash");
    assert!(hash.verify(&password("password")));
    assert!(!hash.verify(&password("passworD")));
    assert_eq!(hash.to_phc(), REFERENCE);
}

#[test]
fn the_same_password_never_gives_the_same_hash() {
    let phc = || Hash::with_cost(&password("a"), CHEAP).expect("hashed").to_phc();
    assert_ne!(phc(), phc());
}

#[test]
fn hashes_are_made_at_the_cost_that_owasp_asks_for() {
    let phc = Hash::of(&password("a")).expect("hashed").to_phc();
    assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
}

#[test]
fn passwords_have_a_length() {
    let fault = |length: usize| Hash::with_cost(&password(&"x".repeat(length)), CHEAP).err();
    assert_eq!(fault(0).expect("refused").to_string(), "the password is empty");
    assert!(fault(1).is_none() && fault(MAX_PASSWORD_BYTES).is_none());
    assert!(fault(MAX_PASSWORD_BYTES + 1).expect("refused").to_string().contains("longer than 4096 bytes"));
    let hash = Hash::parse(REFERENCE).expect("a hash");
    assert!(!hash.verify(&password(&"x".repeat(MAX_PASSWORD_BYTES + 1))));
}

#[test]
fn what_is_no_argon2_hash_is_refused() {
    for text in ["", "secret", "$6$salt$hash", "$2b$12$R9h/cIPz0gi.URNNX3kh2O", "argon2id$v=19", "{SSHA}x"] {
        assert!(refusal(text).starts_with("no argon2 hash"), "{text}");
    }
    let broken = [
        "$argon2x$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1,x=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1,data=AAAA$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOg",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$",
        "$argon2id$v=19$m=256,t=2,p=1$c29t$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$not base64!",
        "$argon2id$v=19$m=4,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2",
        "$argon2id",
    ];
    for text in broken {
        assert!(refusal(text).starts_with("a broken argon2 hash"), "{text}: {}", refusal(text));
        assert!(!refusal(text).contains("nf65"), "{text}");
    }
}

#[test]
fn a_hash_must_not_cost_more_than_a_device_can_bear() {
    let Cost { memory_kib, passes, lanes } = Cost::MAX;
    let with = |memory_kib: u32, passes: u32, lanes: u32| {
        REFERENCE.replace("m=256,t=2,p=1", &format!("m={memory_kib},t={passes},p={lanes}"))
    };
    assert!(Hash::parse(&with(memory_kib, passes, lanes)).is_ok());
    for bomb in [
        with(memory_kib + 1, passes, lanes),
        with(memory_kib, passes + 1, lanes),
        with(memory_kib, passes, lanes + 1),
        with(u32::MAX, 1, 1),
        with(8, u32::MAX, 1),
    ] {
        assert!(refusal(&bomb).starts_with("a hash that costs too much"), "{bomb}");
    }
    let bomb = Cost { memory_kib: memory_kib + 1, passes, lanes };
    assert!(Hash::with_cost(&password("a"), bomb).is_err());
}

#[test]
fn nothing_shows_a_password_or_a_hash() {
    let hash = Hash::parse(REFERENCE).expect("a hash");
    let user = User { hash, auth: Auth::default() };
    let mut users = Users::default();
    users.insert("joe", user.clone()).expect("a name");
    let shown = format!("{users:?} {user:#?} {:?}", password("hunter2"));
    assert!(shown.contains("joe"));
    for secret in ["nf65", "c29t", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_claimed_name_costs_as_much_as_one_that_is_there() {
    let cheap = Hash::parse(REFERENCE).expect("a hash");
    let mut users = Users::default();
    let parameters = |hash: Hash| hash.to_phc().split('$').nth(3).expect("parameters").to_owned();
    // Without users it costs as much as a new hash.
    assert_eq!(parameters(users.hash_for("nobody")), "m=19456,t=2,p=1");
    users.insert("joe", User { hash: cheap, auth: Auth::default() }).expect("a name");
    assert!(users.hash_for("joe").verify(&password("password")));
    for name in ["jim", "zoe", "", "joe "] {
        assert_eq!(parameters(users.hash_for(name)), "m=256,t=2,p=1", "{name}");
        assert!(!users.hash_for(name).verify(&password("password")), "{name}");
    }
}

#[test]
fn names_of_users_can_be_shown() {
    let hash = Hash::parse(REFERENCE).expect("a hash");
    let mut users = Users::default();
    let longest = "x".repeat(MAX_NAME_BYTES);
    for name in ["joe", "Jörg Müller", "a/b", &longest] {
        assert!(users.insert(name, User { hash: hash.clone(), auth: Auth::default() }).is_ok(), "{name}");
    }
    for name in ["", "a\nb", "\u{1b}[2J", "\u{7f}", &(longest.clone() + "x")] {
        assert!(users.insert(name, User { hash: hash.clone(), auth: Auth::default() }).is_err(), "{name:?}");
    }
    assert_eq!(users.len(), 4);
    assert!(users.remove("joe").is_some() && users.get("joe").is_none());
}
