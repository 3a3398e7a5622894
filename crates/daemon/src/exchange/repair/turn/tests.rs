//! Listening to a turn that says much, or nothing.

use std::sync::atomic::AtomicUsize;

use carry_kernel::clock::{ManualClock, Timestamp};

use super::*;

/// A clock that counts how often it was asked.
#[derive(Debug)]
struct Asked {
    clock: ManualClock,
    n: AtomicUsize,
}

impl Clock for Asked {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn steady(&self) -> Timestamp {
        self.n.fetch_add(1, Ordering::SeqCst);
        self.clock.steady()
    }
}

/// A turn whose thread does what a test says, and the clock by which it is waited for.
struct Turn {
    clock: Arc<Asked>,
    life: Arc<Life>,
    stop: Arc<AtomicBool>,
    cancel: Arc<AtomicBool>,
    tell: Sender<Heard>,
    answered: Receiver<LetGo>,
}

impl Turn {
    fn new() -> (Self, Listener) {
        let clock = ManualClock::new(Timestamp::from_secs(1_795_171_200));
        let clock = Arc::new(Asked { clock, n: AtomicUsize::new(0) });
        let (life, stop) = (Arc::new(Life::new(clock.clone())), Arc::new(AtomicBool::new(false)));
        let ((tell, heard), (answer, answered)) = (channel(), channel());
        let patience = Some(Duration::from_secs(60));
        let listener = Listener { heard, answer, life: life.clone(), stop: stop.clone(), patience };
        (Self { clock, life, stop, cancel: Arc::default(), tell, answered }, listener)
    }

    fn say(&self, heard: Heard) -> bool {
        self.tell.send(heard).is_ok()
    }

    fn done(&self) -> bool {
        self.say(Heard::Done(Box::default(), Sought::default()))
    }

    /// Lets time pass, and goes on when whoever waits has looked at the clock twice since.
    fn pass(&self, time: Duration) {
        self.clock.clock.advance(time);
        let before = self.clock.n.load(Ordering::SeqCst);
        while self.clock.n.load(Ordering::SeqCst) < before + 2 {
            assert!(!self.stop.load(Ordering::SeqCst), "nobody waits any more");
            std::thread::yield_now();
        }
    }
}

/// Listens to a turn that does `work`, and gives what came of both.
fn listen<T: Send>(
    work: impl FnOnce(Turn) -> T + Send,
    tell: &mut dyn FnMut(Event, &AtomicBool),
) -> (Result<Done, Left>, T) {
    let (turn, listener) = Turn::new();
    let (clock, cancel) = (turn.clock.clone(), turn.cancel.clone());
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || work(turn));
        let mut let_go = |_: &Sought| -> LetGo { Ok(Sought { is_kept: false, ..Sought::default() }) };
        let mut sought = Sought { is_kept: true, ..Sought::default() };
        let tell = &mut |event| tell(event, &cancel);
        let ended = listener.listen(&*clock, &mut sought, &cancel, &mut let_go, tell);
        drop(listener);
        (ended, worker.join().unwrap())
    })
}

#[test]
fn one_that_says_something_all_the_time_is_told_to_end_at_once() {
    let (was_heard, hears) = channel::<()>();
    let work = move |turn: Turn| {
        let mut n_said = 0;
        while n_said < 1000 && !turn.stop.load(Ordering::Relaxed) {
            assert!(turn.say(Heard::Event(Event::Step(Step::Listing))));
            n_said += 1;
            // The next comes before anybody has waited for it.
            hears.recv().unwrap();
        }
        turn.done();
        n_said
    };
    let (ended, n_said) = listen(work, &mut |_, cancel| {
        cancel.store(true, Ordering::Relaxed);
        was_heard.send(()).unwrap();
    });
    assert!(ended.is_ok() && n_said <= 3, "{n_said}");
}

#[test]
fn one_that_does_not_end_is_left_also_when_it_says_something_all_the_time() {
    let (ended, was_stopped) = listen(
        |turn: Turn| {
            turn.cancel.store(true, Ordering::Relaxed);
            while !turn.stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            turn.clock.clock.advance(LAST);
            let mut n_said = 0;
            while n_said < 1_000_000 && turn.say(Heard::Event(Event::Step(Step::Listing))) {
                n_said += 1;
                std::thread::yield_now();
            }
            n_said < 1_000_000
        },
        &mut |_, _| {},
    );
    assert!(matches!(ended, Err(Left::Cancelled)) && was_stopped);
}

#[test]
fn what_this_device_does_is_not_the_silence_of_the_place() {
    let (ended, _) = listen(
        |turn: Turn| {
            turn.pass(Duration::from_secs(3600));
            assert!(!turn.stop.load(Ordering::Relaxed));
            drop(turn.life.call(0));
            turn.pass(Duration::from_secs(3600));
            assert!(turn.done(), "it is listened to");
        },
        &mut |_, _| {},
    );
    assert!(ended.is_ok());
    let (ended, _) = listen(
        |turn: Turn| {
            let _call = turn.life.call(0);
            turn.clock.clock.advance(Duration::from_secs(60));
            // Until nobody listens any more.
            assert!(turn.answered.recv().is_err());
            assert!(turn.stop.load(Ordering::Relaxed));
        },
        &mut |_, _| {},
    );
    assert!(matches!(ended, Err(Left::Silent(_))));
}

#[test]
fn what_is_let_go_of_is_known_here_also_when_the_turn_is_gone() {
    let (turn, listener) = Turn::new();
    let Turn { clock, cancel, tell, answered, .. } = turn;
    assert!(tell.send(Heard::Reached).is_ok());
    drop((tell, answered));
    let mut sought = Sought { is_kept: true, ..Sought::default() };
    let mut let_go = |_: &Sought| -> LetGo { Ok(Sought { of: vec![], is_kept: false, ..Sought::default() }) };
    let ended = listener.listen(&*clock, &mut sought, &cancel, &mut let_go, &mut |_| {});
    assert!(matches!(ended, Err(Left::Lost)) && !sought.is_kept);
}
