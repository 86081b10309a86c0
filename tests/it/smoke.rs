use foldlog::*;
#[test]
fn smoke() {
    let root = tempfile::tempdir().unwrap();
    {
        let store = Store::open(root.path().join("a/b")).unwrap();
        let journal = store.journal("s-1").unwrap();
        journal.append(TurnStarted::new("t-1", "Fix the build")).unwrap().wait().unwrap();
        for i in 0..10 {
            journal.push(TextDelta::new("t-1", format!("chunk {i} é\u{2028}"))).unwrap();
        }
        journal
            .append(
                ToolCallStarted::new("t-1", "c-1", "bash").arguments(Json::parse("{\"seq\":1,\"n\":1e400}").unwrap()),
            )
            .unwrap()
            .wait()
            .unwrap();
        assert_eq!(store.journal("s-1").unwrap_err().kind(), ErrorKind::Locked);
        journal.close().wait().unwrap();
        journal.close().wait().unwrap();
        let j2 = store.journal("s-1").unwrap();
        assert_eq!(j2.open_turns().len(), 1);
        println!("{} {:?}", j2.open_turns()[0], j2.recovered());
        j2.append(TurnEnded::success("t-1")).unwrap().wait().unwrap();
        drop(j2);
        let j3 = store.journal("s-1").unwrap();
        println!("{:?} {:?}", j3.open_turns(), j3.recovered());
        j3.append(TurnStarted::new("t-2", "x")).unwrap().wait().unwrap();
        j3.close().wait().unwrap();
        let reader = store.reader("s-1").unwrap();
        println!("{:#?}", reader.verify().unwrap());
    }
    for f in ["00000001.jsonl", "00000002.jsonl", "00000003.jsonl"] {
        println!("{}", std::fs::read_to_string(root.path().join("a/b/s-1").join(f)).unwrap());
    }
}
