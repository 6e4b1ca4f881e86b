//! What may befall the file.

use std::{fs, os::unix::fs::FileExt};

use skep_sqlite::{Connection, params};

use super::*;

fn corpses(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.spool.path().parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.display().to_string().contains("spool.db.corrupt-")
                && !path.display().to_string().ends_with("-wal")
                && !path.display().to_string().ends_with("-shm")
        })
        .collect()
}

/// A file with something in it, and nobody who has it open.
async fn closed() -> Place {
    let place = Place::new();
    place.keeps(place.many(500), false).await;
    place.keeps(vec![place.block("t", "1")], true).await;
    let spool = Spool::new(Config::at(place.spool.path()), place.clock.clone());
    let Place { folder, clock, random, queue, spool: old } = place;
    let opened = old.inner.opened.lock().await.take().unwrap();
    opened.close().await;
    let connection = Connection::open(spool.path()).unwrap();
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
    Place { folder, clock, random, queue, spool }
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_said() {
    for damage in ["halved", "garbage", "zeroed"] {
        let place = closed().await;
        let (path, length) = (place.spool.path(), fs::metadata(place.spool.path()).unwrap().len());
        match damage {
            "halved" => fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length / 2).unwrap(),
            "garbage" => fs::write(path, "no database at all\n".repeat(1000)).unwrap(),
            _ => fs::write(path, vec![0; length as usize]).unwrap(),
        }
        let block = place.block("t", "2");
        place.keeps(vec![block.clone()], true).await;
        let aside = place.spool.set_aside().unwrap_or_else(|| panic!("{damage}: it is said"));
        assert_eq!((corpses(&place), place.spool.set_aside()), (vec![aside], None), "{damage}");
        assert_eq!(place.deliver().await, done(1, 0), "{damage}: what came after it is delivered");
        place.has(&[block]).await;
    }
}

#[tokio::test]
async fn a_damaged_submission_is_refused_and_the_others_arrive() {
    let place = closed().await;
    {
        let connection = Connection::open(place.spool.path()).unwrap();
        let sql = "select body from bodies order by seq limit 1";
        let mut body: Vec<u8> = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let middle = body.len() / 2;
        body[middle] ^= 1;
        connection.execute("update bodies set body = ?1 where seq = 1", params![body]).unwrap();
    }
    assert_eq!(place.deliver().await, done(1, 1));
    let listed = place.spool.list().await.unwrap();
    assert_eq!((listed.len(), listed[0].refusal.as_deref()), (1, Some("it is damaged")));
    assert_eq!(corpses(&place), [] as [PathBuf; 0], "the file itself is well");
}

#[tokio::test]
async fn a_file_that_was_never_a_spool_stays_where_it_is() {
    let place = Place::new();
    let path = place.folder.path().join("letter.txt");
    for text in
        ["Dear Ada, this is a letter and not a database, however long it is. ".repeat(9), "short".into()]
    {
        fs::write(&path, &text).unwrap();
        let spool = Spool::new(Config::at(&path), place.clock.clone());
        for _ in 0..2 {
            let kept = spool.keep(&Key::of(URL), &Submission::whole(vec![place.block("t", "1")])).await;
            let why = kept.unwrap_err().to_string();
            assert!(why.contains("letter.txt"), "{why}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1, "nothing was left beside it");
    }
}

#[tokio::test]
async fn what_is_kept_while_another_puts_the_file_aside_is_in_the_new_one() {
    let place = Place::new();
    place.keeps(vec![place.block("t", "1")], true).await;
    fs::rename(place.spool.path(), place.folder.path().join("aside")).unwrap();
    let block = place.block("t", "2");
    place.keeps(vec![block.clone()], true).await;
    let listed = place.other().list().await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), [block.id.task(0)]);
}

#[tokio::test]
async fn many_flipped_bits_cost_what_they_hit_and_never_a_wrong_task() {
    for seed in 0..12 {
        let place = closed().await;
        let random = TestRandom::new(seed);
        let file = fs::OpenOptions::new().read(true).write(true).open(place.spool.path()).unwrap();
        let length = file.metadata().unwrap().len();
        for _ in 0..8 {
            // Not in the numbers that say whose file it is.
            let (at, mut byte) = (100 + (random.fraction() * (length - 100) as f64) as u64, [0]);
            file.read_exact_at(&mut byte, at).unwrap();
            byte[0] ^= 1 << (random.fraction() * 8.0) as u32;
            file.write_all_at(&byte, at).unwrap();
        }
        // Whatever is said: what arrives is what was submitted.
        let _ = place.delivery().some(usize::MAX).await;
        let block = place.block("t", "3");
        place.keeps(vec![block.clone()], true).await;
        let _ = place.delivery().some(usize::MAX).await;
        place.has(&[block]).await;
        let filter = skep_queue::admin::Filter { limit: 10_000, ..Default::default() };
        for view in place.queue.find(filter).await.unwrap() {
            let task = place.queue.task(view.id).await.unwrap().unwrap();
            let number: u32 = serde_json::from_slice(&task.payload).unwrap();
            assert!(number < 500, "{number}");
        }
    }
}
