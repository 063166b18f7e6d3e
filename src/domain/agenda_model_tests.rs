//! The agenda against a model of it, over random sequences of all that can be done with it.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::model::Model;
use super::*;
use crate::domain::PlayerId;

/// Wallets that there are in all.
const WALLETS: usize = 12;

#[derive(Debug, Clone)]
enum Step {
    /// A round over these wallets; spread over so many seconds, with so many milliseconds between two requests.
    Begin(Vec<usize>, u64, u64),
    Refresh(Vec<usize>),
    /// So many times, as long as there is something to take.
    Take(usize),
    /// At the next turn, however far it is.
    TakeNext,
    Probe,
    /// The request that has been under way longest, or the newest one.
    Settle(Answer, bool),
    /// About a wallet, whether or not it is being asked about.
    SettleAny(usize, Answer),
    GiveUp,
    ForgetRequests,
    Wait(u64),
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => Just(Answer::Good),
        1 => Just(Answer::Same),
        1 => Just(Answer::Nothing),
        1 => Just(Answer::Refused),
        1 => Just(Answer::Silent),
        1 => (0_u64..4).prop_map(|good_answers| Answer::Failed { good_answers }),
        1 => Just(Answer::Unbearable),
    ]
}

/// Some of all wallets, in some order.
fn list() -> impl Strategy<Value = Vec<usize>> {
    let all: Vec<usize> = (0..WALLETS).collect();
    prop_oneof![Just(all.clone()), prop::sample::subsequence(all.clone(), 0..=WALLETS), Just(all).prop_shuffle()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (list(), prop_oneof![Just(0), Just(60)], prop_oneof![Just(0), 0_u64..10_000]).prop_map(|(list, spread, gap)| Step::Begin(list, spread, gap)),
        2 => list().prop_map(Step::Refresh),
        4 => (1..WALLETS).prop_map(Step::Take),
        4 => Just(Step::TakeNext),
        2 => Just(Step::Probe),
        6 => (answer(), any::<bool>()).prop_map(|(answer, newest)| Step::Settle(answer, newest)),
        1 => (0..WALLETS, answer()).prop_map(|(wallet, answer)| Step::SettleAny(wallet, answer)),
        1 => Just(Step::GiveUp),
        1 => Just(Step::ForgetRequests),
        4 => (0_u64..40_000).prop_map(Step::Wait),
    ]
}

/// Both, the requests under way and the time.
struct Pair {
    agenda: Agenda,
    model: Model,
    under_way: VecDeque<Taken>,
    now: Duration,
}

impl Pair {
    fn new() -> Self {
        let pool: PoolName = "a".parse().unwrap();
        Self {
            agenda: Agenda::new(pool.clone()),
            model: Model::new(pool),
            under_way: VecDeque::new(),
            now: Duration::from_secs(1),
        }
    }

    /// New texts every second time, as from a list that was loaded anew; the player of a wallet changes too.
    fn jobs(&self, list: &[usize], known: &[Wallet]) -> Vec<PollJob> {
        let is_new = self.now.as_nanos().is_multiple_of(2);
        let job = |&number: &usize| PollJob {
            player: PlayerId(self.now.subsec_micros().cast_signed()),
            wallet: if is_new { wallet(number) } else { known[number].clone() },
        };
        list.iter().map(job).collect()
    }

    fn took(&mut self, taken: Option<Taken>, modelled: Option<PollJob>) -> Result<bool, TestCaseError> {
        prop_assert_eq!(taken.as_ref().map(|taken| &taken.job), modelled.as_ref());
        let is_some = taken.is_some();
        self.under_way.extend(taken);
        Ok(is_some)
    }

    fn settle(&mut self, taken: &Taken, answer: Answer) {
        self.agenda.settle(taken, answer, self.now);
        self.model.settle(&taken.job.wallet, answer, self.now);
    }

    fn apply(&mut self, step: &Step, known: &[Wallet]) -> Result<(), TestCaseError> {
        match step {
            Step::Begin(list, spread, gap) => {
                let jobs = self.jobs(list, known);
                let timing = Timing { tick: self.now, spread: Duration::from_secs(*spread), gap: Duration::from_millis(*gap) };
                self.agenda.begin(&jobs, timing, self.now);
                self.model.begin(&jobs, timing, self.now);
            }
            Step::Refresh(list) => {
                let jobs = self.jobs(list, known);
                self.agenda.refresh(&jobs, self.now);
                self.model.refresh(&jobs, self.now);
            }
            Step::Take(times) => {
                for _ in 0..*times {
                    let (taken, modelled) = (self.agenda.take(self.now), self.model.take(self.now));
                    if !self.took(taken, modelled)? {
                        break;
                    }
                }
            }
            Step::TakeNext => {
                let turn = self.model.next_turn(self.now);
                prop_assert_eq!(self.agenda.next_turn(self.now), turn);
                if let Some(turn) = turn {
                    self.now = self.now.max(turn);
                    let (taken, modelled) = (self.agenda.take(self.now), self.model.take(self.now));
                    self.took(taken, modelled)?;
                }
            }
            Step::Probe => {
                let (taken, modelled) = (self.agenda.take_probe(self.now), self.model.take_probe(self.now));
                self.took(taken, modelled)?;
            }
            Step::Settle(answer, newest) => {
                let ended = if *newest { self.under_way.pop_back() } else { self.under_way.pop_front() };
                if let Some(taken) = ended {
                    self.settle(&taken, *answer);
                }
            }
            Step::SettleAny(number, answer) => {
                let job = PollJob { player: PlayerId(1), wallet: known[*number].clone() };
                // Not where it is, but one that was before the numbers changed.
                self.settle(&Taken { job, number: u32::try_from(*number).unwrap() }, *answer);
            }
            Step::GiveUp => {
                self.agenda.give_up();
                self.model.give_up();
            }
            Step::ForgetRequests => {
                self.under_way.clear();
                self.agenda.forget_requests();
                self.model.forget_requests();
            }
            Step::Wait(millis) => self.now += Duration::from_millis(*millis),
        }
        // No two steps at the same moment: which of two turns of one moment comes first, where one of them came in by a newer
        // list, is nobody's concern.
        self.now += Duration::from_nanos(1);
        Ok(())
    }

    fn compare(&mut self, known: &[Wallet]) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.agenda.waiting(), self.model.waiting());
        prop_assert_eq!(self.agenda.next_turn(self.now), self.model.next_turn(self.now));
        prop_assert_eq!(self.agenda.staleness(self.now), self.model.staleness(self.now));
        for wallet in known {
            prop_assert_eq!(self.agenda.believes_refusal(wallet), self.model.believes_refusal(wallet));
            prop_assert_eq!(self.agenda.is_own_failure(wallet, 2), self.model.is_own_failure(wallet, 2));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_does_as_its_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let known: Vec<Wallet> = (0..WALLETS).map(wallet).collect();
        let mut pair = Pair::new();
        for step in &steps {
            pair.apply(step, &known)?;
            pair.compare(&known)?;
        }
    }
}

fn wallet(number: usize) -> Wallet {
    format!("W{number}").parse().unwrap()
}
