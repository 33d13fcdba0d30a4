//! `inspect` for programs: their tokens are judged by the same rules, and nobody is expected to have put them into groups.

use super::*;

#[test]
fn the_token_of_a_program_is_judged_as_a_person_s() {
    let mut program =
        Program::with(|behaviour| behaviour.access_token.claims = serde_json::json!({ "groups": null }).into());
    let known = ["server", "signature", "principal"];
    let unknown = program.run(["inspect"]).exits(3).says("nobody has said what the MongoDB server expects of a token");
    assert!(unknown.stdout().contains("skip  audience"), "{unknown:?}");
    assert!(unknown.stderr().contains("`mdb-login inspect --issuer ISSUER --audience AUDIENCE`"), "{unknown:?}");
    program.run(["inspect", "--issuer", program.idp.issuer(), "--audience", CLIENT_ID, "--prefix", "jobs"]).exits(0);
    program.sandbox.env("MDB_LOGIN_AUDIENCE", CLIENT_ID);
    let judged = program.run(["inspect", "--prefix", "jobs"]).exits(0).stdout();
    assert!(known.iter().all(|rule| judged.contains(rule)) && !judged.contains("skip"), "{judged}");
    assert!(judged.contains(&format!("user    jobs/{CLIENT_ID} at $external")), "{judged}");
    assert!(judged.contains("roles   those of the user's document"), "{judged}");
    // A server that takes roles from a claim finds none.
    let grouped = program.run(["inspect", "--group-claim", "groups"]).exits(5).stdout();
    assert!(grouped.contains("FAIL  groups"), "{grouped}");
    // The cached one does for all of them.
    assert_eq!(program.asked(), 2, "one for each audience that is expected");
}

/// With `--offline` nobody is asked for a token; one in a file is at hand.
#[test]
fn offline_nobody_is_asked() {
    let mut program = Program::new();
    program.sandbox.env("MDB_LOGIN_AUDIENCE", CLIENT_ID);
    program.run(["inspect", "--offline"]).exits(7).says("there is no token at hand");
    assert_eq!(program.idp.log().len(), 0);
    let path = private_file(program.sandbox.home().join("token.jwt"), &program.idp.access_token("ada"));
    program.sandbox.unset("MDB_LOGIN_CLIENT_ID").unset("MDB_LOGIN_CLIENT_SECRET_FILE");
    for (kind, variable) in [("file", "MDB_LOGIN_SOURCE_FILE"), ("kubernetes", "AZURE_FEDERATED_TOKEN_FILE")] {
        program.sandbox.env("MDB_LOGIN_KIND", kind).env(variable, &path);
        let judged = program.run(["inspect", "--offline"]).exits(7).stdout();
        assert!(judged.contains("skip  signature") && judged.contains("ok    audience"), "{judged}");
        program.sandbox.unset(variable);
    }
    assert_eq!(program.idp.log().len(), 0);
}
