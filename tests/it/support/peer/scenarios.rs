//! The actions and events of programs, the same on every daemon. The files `peer_replay_*` have the messages of each
//! daemon.

use super::replay::Scenario;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "paths",
        lines: r#"
            . fetch {"path":{"startsWith":"a"}}
            = r1 ok true
            = #0 add a/1 [1,2]
            = #0 add a/m -
            = #0 change a/1 3
            = #0 remove a/1 3
            . unfetch 0
            = r2 ok true
        "#,
    },
    Scenario {
        name: "values",
        lines: r#"
            . fetch {"value":{"lessThan":10}}
            = r1 ok true
            = #0 add low 1
            = #0 change low 2
            = #0 add high 9
            = #0 remove low 11
            = #0 remove high 9
        "#,
    },
    Scenario {
        name: "sorted",
        lines: r#"
            . fetch {"sort":{"byValue":"number","to":2}}
            = r1 ok true
            = #0 sorted [{"path":"b","value":1,"index":1},{"path":"a","value":5,"index":2}] 2
            = #0 sorted [{"path":"c","value":0,"index":1},{"path":"b","value":1,"index":2}] 2
            = #0 sorted [{"path":"b","value":1,"index":1},{"path":"a","value":5,"index":2}] 2
            = #0 sorted [] 1
        "#,
    },
    Scenario {
        name: "rules no other daemon has",
        lines: r#"
            . watch {"match":["^net%-(%d)"],"unmatch":["x$"]}
            = #0 add net-1 1
            = #0 change net-1 2
            = #0 remove net-1 2
        "#,
    },
    Scenario {
        name: "negated and caseless",
        lines: r#"
            . watch {"path":{"containsNot":"B","contains":"a","caseInsensitive":true}}
            = #0 add xA 1
        "#,
    },
    Scenario {
        name: "at most one",
        lines: r#"
            . watch {"max":1}
            = #0 add a 1
            = #0 remove a 1
            = #0 add b 2
        "#,
    },
    Scenario {
        name: "depends",
        lines: r#"
            . watch {"match":["^dev/(%d)$"],"deps":[{"path":"on/\\1","where":{"op":"equals","value":true}}]}
            = #0 add dev/1 "x"
            = #0 remove dev/1 "x"
        "#,
    },
    Scenario {
        name: "nonsense",
        lines: r#"
            . fetch {"path":{"startsWith":5}}
            = r1 error {"code":-32602,"message":"Invalid params","data":{"fetchParams":{"path":{"startsWith":5}},"reason":"path.startsWith: expected a string, got a number"}}
        "#,
    },
    Scenario {
        name: "requests",
        lines: r#"
            . add s 1
            = r1 ok true
            . set other 2
            = r2 ok true
            . call method [1]
            = r3 ok {"a":[]}
            . remove s
            = r4 ok true
            . config {"name":"n","debug":true}
            = r5 ok true
        "#,
    },
    Scenario {
        name: "refusals",
        lines: r#"
            . add s 1
            = r1 error {"code":-32602,"message":"Invalid params","data":{"pathAlreadyExists":"s"}}
            . set nothing 1
            = r2 error {"code":-32602,"message":"Invalid params","data":{"pathNotExists":"nothing"}}
            . unfetch 7
            = r3 ok true
        "#,
    },
    Scenario {
        name: "no response",
        lines: r#"
            . quickset slow 1
            . wait 0.5
            = r1 error {"code":-32001,"message":"Response Timeout","data":{"path":"slow","value":1,"timeout":0.5}}
            . call slow []
            . wait 5
            = r2 error {"code":-32001,"message":"Response Timeout","data":{"path":"slow","args":[]}}
        "#,
    },
    Scenario {
        name: "owner",
        lines: r#"
            . state s 1
            . method m 2
            = set 1 "x" 5
            . answer "x" true
            = call 2 "y" [1]
            . answer "y" {"r":1}
            . change s 5
        "#,
    },
    Scenario {
        name: "login",
        lines: r#"
            . add early 1
            . connect
            = ready
            = r1 ok true
        "#,
    },
    Scenario {
        name: "wrong password",
        lines: r#"
            . add early 1
            . connect
            = login as 'ann' failed: wrong password {"code":-32602,"message":"Invalid params","data":{"invalidPassword":true}}
        "#,
    },
    Scenario {
        name: "daemon without users",
        lines: r#"
            . add early 1
            . connect
            = note the daemon (lua-jet) has no users: not logged in as 'ann'
            = ready
            = r1 ok true
        "#,
    },
    Scenario {
        name: "again",
        lines: r#"
            . fetch {}
            = r1 ok true
            = #0 add a 1
            . refetch 0 {}
            = r2 ok true
            = #0 add a 1
        "#,
    },
];
