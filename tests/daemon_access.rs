//! Who may see, set and call what: `access` on `add`.

mod daemon_support;

use daemon_support::Bench;
use serde_json::{json, Value};

#[test]
fn access_is_read_even_where_there_are_no_users() {
    let mut bench = Bench::new();
    let owner = bench.peer();
    let refused = [
        (json!("admins"), json!({"wrongType": "access"})),
        (json!(true), json!({"wrongType": "access"})),
        (json!(["admins"]), json!({"wrongType": "access"})),
        (json!({"fetchGroups": "admins"}), json!({"wrongType": "access.fetchGroups"})),
        (json!({"fetchGroups": {"1": "admins"}}), json!({"wrongType": "access.fetchGroups"})),
        (json!({"setGroups": ["admins", 1]}), json!({"wrongType": "access.setGroups"})),
        (json!({"callGroups": [null]}), json!({"wrongType": "access.callGroups"})),
        (json!({"read": ["admins"]}), json!({"wrongType": "access.read"})),
        (json!({"write": 1}), json!({"wrongType": "access.write"})),
        (json!({"fetchgroups": ["admins"]}), json!({"unknownMember": "access.fetchgroups"})),
    ];
    for (access, mut expected) in refused {
        let params = json!({"path": "a", "value": 1, "access": access});
        if expected.get("wrongType").is_some() {
            expected["got"] = params.clone();
        }
        assert_eq!(bench.refused(owner, "add", params), (-32602, expected));
    }
    let taken: [Value; 7] = [
        json!(null),
        json!({}),
        // Two spellings of Lua's empty table.
        json!([]),
        json!({"fetchGroups": {}, "setGroups": []}),
        json!({"fetchGroups": null, "read": null}),
        json!({"read": "", "write": "admins"}),
        json!({"fetchGroups": ["a", "b", "a"], "setGroups": ["a"], "callGroups": ["c"], "read": "d"}),
    ];
    for access in taken {
        bench.done(owner, "add", json!({"path": "a", "value": 1, "access": access}));
        // Without users it protects nothing.
        let other = bench.peer();
        assert_eq!(bench.fetch(other, json!({})).len(), 1, "{access}");
        bench.done(owner, "remove", json!({"path": "a"}));
    }
}
