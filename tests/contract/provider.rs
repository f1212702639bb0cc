//! What every provider promises, whatever it is: the same assertions for the world's, for libvirt's
//! test driver, for a real libvirt, and for EC2. Each function tells one story; a provider that
//! cannot play a part (the test driver takes no uploads) leaves its story out.
//!
//! Sizes are whole GiB where a provider is asked for them, since some know nothing smaller.

use std::collections::{BTreeMap, BTreeSet};

use metrom::model::{
    Beside, Boot, BuildRecipe, Digest, EnvName, ImageName, ImageOrigin, ImageSpec, Inventory, Key,
    LiveFields, LiveId, LiveMachine, MachineSpec, Market, Object, OwnerName, Power, ProviderAction,
    Revision, Spec, Stamp, Subject, Timestamp, Token, VolumeSpec, Warm,
};
use metrom::port::{Actuator, ImageFiles, ProviderError, Silent};

/// The size of a new data volume.
pub const GIB: u64 = 1024;

/// What a machine has, and what it has after it was resized: the types of any cloud's table.
pub const SMALL: (u32, u64) = (1, 256);
pub const LARGE: (u32, u64) = (2, 320);

/// An environment of the tests.
pub struct Env {
    pub name: EnvName,
}

impl Env {
    pub fn new(name: &str) -> Self {
        Self {
            name: EnvName::parse(name).unwrap(),
        }
    }

    pub fn stamp(&self, key: Key, created: i64) -> Stamp {
        Stamp {
            owner: OwnerName::parse("acme").unwrap(),
            env: self.name.clone(),
            key,
            digest: None,
            revision: None,
            created: Timestamp::from_second(created).unwrap(),
            born: None,
        }
    }

    pub fn volume(&self, provider: &dyn Actuator, size_mib: u64, created: i64) -> ProviderAction {
        ProviderAction::CreateVolume {
            spec: VolumeSpec {
                provider: provider.provider().clone(),
                size_mib,
            },
            stamp: self.stamp(Key::Volume("data".into()), created),
            token: Token(format!("volume-{}", self.name)),
            copy_of: None,
        }
    }

    pub fn machine(
        &self,
        provider: &dyn Actuator,
        image: &ImageSpec,
        volumes: &[LiveId],
    ) -> ProviderAction {
        let spec = MachineSpec {
            provider: provider.provider().clone(),
            image: image.clone(),
            cpus: SMALL.0,
            memory_mib: SMALL.1,
            disk_mib: GIB,
            volumes: BTreeSet::from([Key::Volume("data".into())]),
            is_protected: false,
            market: Market::OnDemand,
        };
        let digest = Spec::Machine(spec.clone()).digest();
        ProviderAction::CreateMachine {
            spec: Box::new(spec),
            stamp: Stamp {
                digest: Some(digest),
                revision: Revision::parse(&"c".repeat(40)),
                ..self.stamp(Key::Machine, 1_764_000_000)
            },
            volumes: volumes.iter().cloned().map(Subject::Live).collect(),
            token: Token(format!("machine-{}", self.name)),
            beside: None,
        }
    }

    /// A second machine beside the first, with an empty volume in place of the data.
    pub fn second(
        &self,
        provider: &dyn Actuator,
        image: &ImageSpec,
        first: &LiveId,
    ) -> ProviderAction {
        let machine = self.machine(provider, image, &[]);
        let ProviderAction::CreateMachine { spec, stamp, .. } = machine else {
            unreachable!("it is a creation")
        };
        ProviderAction::CreateMachine {
            spec,
            stamp: Stamp {
                created: Timestamp::from_second(1_764_000_060).unwrap(),
                ..stamp
            },
            volumes: Vec::new(),
            token: Token(format!("second-{}", self.name)),
            beside: Some(Beside {
                machine: first.clone(),
                scratch: BTreeMap::from([("data".to_owned(), GIB)]),
            }),
        }
    }
}

/// An image by its name; what is in it does not matter to a provider.
pub fn image(name: &str, boot: Boot) -> ImageSpec {
    ImageSpec {
        name: ImageName::parse(name).unwrap(),
        origin: ImageOrigin::Build(BuildRecipe {
            suite: "trixie".into(),
            packages: BTreeSet::new(),
            size_mib: 64,
            trim: true,
            containers: BTreeSet::new(),
        }),
        boot,
    }
}

pub async fn done(provider: &dyn Actuator, action: ProviderAction) -> Option<LiveId> {
    let made = provider.perform(&action, None, &Silent).await;
    made.unwrap_or_else(|e| panic!("{action}: {e}")).id
}

pub async fn fails(provider: &dyn Actuator, action: ProviderAction) -> ProviderError {
    let made = provider.perform(&action, None, &Silent).await;
    made.err().unwrap_or_else(|| panic!("{action} was done"))
}

/// The inventory, which has no gap.
pub async fn seen(provider: &dyn Actuator) -> Inventory {
    let inventory = provider.inventory().await;
    assert!(inventory.gaps.is_empty(), "{:?}", inventory.gaps);
    inventory
}

fn of<'a>(inventory: &'a Inventory, env: &Env, key: &Key) -> Vec<&'a Object> {
    let is_it = |stamp: &Stamp| stamp.env == env.name && stamp.key == *key;
    let objects = inventory.objects.iter();
    objects
        .filter(|o| o.stamp.as_ref().is_some_and(is_it))
        .collect()
}

fn machine_of(inventory: &Inventory, env: &Env) -> LiveMachine {
    let found = of(inventory, env, &Key::Machine);
    assert_eq!(found.len(), 1, "one machine");
    found[0].fields.as_machine().unwrap().clone()
}

async fn machine_by(provider: &dyn Actuator, id: &LiveId) -> LiveMachine {
    let object = provider.machine(id).await.unwrap().expect("it is there");
    assert!(object.stamp.is_some(), "it says whose it is");
    object.fields.into_machine().expect("a machine")
}

/// Makes what is declared of the provider itself and missing, in its order.
pub async fn prepare(provider: &dyn Actuator) {
    for part in seen(provider).await.missing {
        done(provider, ProviderAction::Prepare { part }).await;
    }
}

/// What is declared and missing is made, once.
pub async fn prepares_itself(provider: &dyn Actuator) {
    let missing = seen(provider).await.missing;
    assert!(!missing.is_empty(), "it begins with nothing");
    for _ in 0..2 {
        for part in missing.clone() {
            done(provider, ProviderAction::Prepare { part }).await;
        }
        assert_eq!(seen(provider).await.missing, BTreeSet::new());
    }
}

/// A volume is there once, however often it is created, and gone when it is deleted.
pub async fn makes_a_volume_once(provider: &dyn Actuator, env: &Env) {
    let key = Key::Volume("data".into());
    let id = done(provider, env.volume(provider, GIB, 1_764_000_000)).await;
    // Another attempt comes later, as a new process that knows nothing of the first.
    let again = done(provider, env.volume(provider, GIB, 1_764_000_099)).await;
    assert_eq!(id, again);
    let id = id.expect("a creation tells the id");

    let inventory = seen(provider).await;
    let found = of(&inventory, env, &key);
    assert_eq!(found.len(), 1);
    let stamp = found[0].stamp.as_ref().unwrap();
    assert_eq!(stamp.created, env.stamp(key.clone(), 1_764_000_000).created);
    assert_eq!((&found[0].id, size(found[0])), (&id, GIB));

    for _ in 0..2 {
        done(provider, ProviderAction::DeleteVolume { id: id.clone() }).await;
        assert!(of(&seen(provider).await, env, &key).is_empty());
    }
}

fn size(object: &Object) -> u64 {
    object.fields.as_volume().expect("it is a volume").size_mib
}

/// An image is brought once, and then it is there.
pub async fn takes_an_image(provider: &dyn Actuator, image: &ImageSpec, files: &ImageFiles) {
    let action = ProviderAction::ProvideImage {
        image: image.clone(),
    };
    for _ in 0..2 {
        let made = provider.perform(&action, Some(files), &Silent).await;
        made.unwrap();
        assert!(seen(provider).await.images.contains(&image.id()));
    }
}

/// The whole life of a machine, with every step of it taken twice. The image is there already.
pub async fn leads_a_machine_through_its_life(
    provider: &dyn Actuator,
    env: &Env,
    image: &ImageSpec,
) {
    let volume = done(provider, env.volume(provider, GIB, 1_764_000_000)).await;
    let volume = volume.unwrap();

    let create = || env.machine(provider, image, std::slice::from_ref(&volume));
    let id = done(provider, create()).await.expect("an id");
    let machine = machine_of(&seen(provider).await, env);
    assert_eq!(done(provider, create()).await.as_ref(), Some(&id));
    assert_eq!(
        machine_of(&seen(provider).await, env).host_key,
        machine.host_key
    );
    assert_eq!(machine.power, Power::Running);
    assert_eq!((machine.cpus, machine.memory_mib), SMALL);
    assert_eq!(machine.image, Some(image.id()));
    assert_eq!(machine.volumes, BTreeSet::from([volume.clone()]));
    assert!(machine.host_key.is_some(), "connections can be pinned");

    let inventory = seen(provider).await;
    let ProviderAction::CreateMachine { stamp, .. } = create() else {
        unreachable!("it is a creation")
    };
    assert_eq!(
        of(&inventory, env, &Key::Machine)[0].stamp.as_ref(),
        Some(&stamp)
    );
    assert_eq!(of(&inventory, env, &Key::Machine)[0].id, id);

    grow(provider, env, &volume).await;
    stop_resize_start(provider, env, &id, &stamp).await;

    fails(
        provider,
        ProviderAction::DeleteVolume { id: volume.clone() },
    )
    .await;
    for _ in 0..2 {
        done(provider, ProviderAction::DeleteMachine { id: id.clone() }).await;
        assert!(of(&seen(provider).await, env, &Key::Machine).is_empty());
        assert_eq!(provider.machine(&id).await.unwrap(), None);
    }
    let kept = seen(provider).await;
    assert_eq!(
        of(&kept, env, &Key::Volume("data".into())).len(),
        1,
        "data outlives its machine"
    );
    done(provider, ProviderAction::DeleteVolume { id: volume }).await;
    let error = fails(provider, ProviderAction::StartMachine { id }).await;
    assert!(matches!(error, ProviderError::Moved { .. }), "{error}");
}

async fn grow(provider: &dyn Actuator, env: &Env, volume: &LiveId) {
    for size_mib in [2 * GIB, 2 * GIB] {
        let id = volume.clone();
        done(provider, ProviderAction::GrowVolume { id, size_mib }).await;
        let inventory = seen(provider).await;
        let found = of(&inventory, env, &Key::Volume("data".into()));
        assert_eq!(size(found[0]), size_mib, "grown under a running machine");
    }
}

async fn stop_resize_start(provider: &dyn Actuator, env: &Env, id: &LiveId, stamp: &Stamp) {
    let stamp = Stamp {
        digest: Some(Digest::of_bytes(b"larger")),
        ..stamp.clone()
    };
    let resize = || ProviderAction::ResizeMachine {
        id: id.clone(),
        cpus: LARGE.0,
        memory_mib: LARGE.1,
        stamp: stamp.clone(),
    };
    fails(provider, resize()).await;
    for _ in 0..2 {
        done(provider, ProviderAction::StopMachine { id: id.clone() }).await;
        assert_eq!(machine_of(&seen(provider).await, env).power, Power::Stopped);
    }
    for _ in 0..2 {
        done(provider, resize()).await;
        let inventory = seen(provider).await;
        let machine = machine_of(&inventory, env);
        assert_eq!((machine.cpus, machine.memory_mib), LARGE);
        let found = of(&inventory, env, &Key::Machine);
        assert_eq!(found[0].stamp.as_ref(), Some(&stamp));
    }
    for _ in 0..2 {
        done(provider, ProviderAction::StartMachine { id: id.clone() }).await;
        let machine = machine_by(provider, id).await;
        assert_eq!((machine.power, machine.cpus), (Power::Running, LARGE.0));
    }
}

/// A second machine is made beside the first, is given its data, and gives it back. The image is
/// there already.
pub async fn hands_data_over_to_a_second_machine(
    provider: &dyn Actuator,
    env: &Env,
    image: &ImageSpec,
) {
    let volume = done(provider, env.volume(provider, GIB, 1_764_000_000)).await;
    let volume = volume.unwrap();
    let create = env.machine(provider, image, std::slice::from_ref(&volume));
    let first = done(provider, create).await.expect("an id");
    let create = || env.second(provider, image, &first);
    let second = done(provider, create()).await.expect("an id");
    let held_by = |holder: &LiveId| {
        let held = |id: &LiveId| BTreeSet::from_iter((id == holder).then(|| volume.clone()));
        BTreeMap::from([&first, &second].map(|id| (id.clone(), held(id))))
    };
    assert_eq!(machines_of(&seen(provider).await, env), held_by(&first));
    assert_eq!(done(provider, create()).await.as_ref(), Some(&second));
    assert_eq!(machines_of(&seen(provider).await, env), held_by(&first));

    let hand_over = |from: &LiveId, to: &LiveId| ProviderAction::MoveVolume {
        id: volume.clone(),
        from: from.clone(),
        to: to.clone(),
    };
    let stop = |id: &LiveId| ProviderAction::StopMachine { id: id.clone() };
    fails(provider, hand_over(&first, &second)).await;
    done(provider, stop(&first)).await;
    fails(provider, hand_over(&first, &second)).await;
    assert_eq!(machines_of(&seen(provider).await, env), held_by(&first));
    done(provider, stop(&second)).await;

    for (from, to) in [(&first, &second), (&second, &first)] {
        for _ in 0..2 {
            done(provider, hand_over(from, to)).await;
            assert_eq!(machines_of(&seen(provider).await, env), held_by(to));
        }
        let delete = ProviderAction::DeleteVolume { id: volume.clone() };
        fails(provider, delete).await;
        done(provider, ProviderAction::StartMachine { id: to.clone() }).await;
        let machine = machine_by(provider, to).await;
        assert_eq!(machine.power, Power::Running);
        assert_eq!(machine.volumes, BTreeSet::from([volume.clone()]));
        done(provider, stop(to)).await;
    }
    ends_the_second_and_then_all(provider, env, (&first, &second), &volume).await;
}

/// A warm machine is paused, claimed once and for all, or given back. The image is there already.
pub async fn lets_a_warm_machine_be_claimed(
    provider: &dyn Actuator,
    (pool, env, other): (&Env, &Env, &Env),
    image: &ImageSpec,
) {
    let create = |attempt: &str| {
        let mut action = pool.machine(provider, image, &[]);
        if let ProviderAction::CreateMachine { token, .. } = &mut action {
            *token = Token(attempt.to_owned());
        }
        action
    };
    let id = done(provider, create("one")).await.expect("an id");
    let ready = Digest::of_bytes(b"ready");
    for _ in 0..2 {
        let (id, ready) = (id.clone(), ready.clone());
        done(provider, ProviderAction::PauseMachine { id, ready }).await;
        let machine = machine_of(&seen(provider).await, pool);
        assert_eq!(
            (machine.power, machine.ready.as_ref()),
            (Power::Paused, Some(&Digest::of_bytes(b"ready")))
        );
    }

    let warm = |id: &LiveId| Warm {
        id: id.clone(),
        env: pool.name.clone(),
        memory_mib: SMALL.1,
        is_ready: true,
    };
    let claim = |env: &Env, volume: &LiveId| ProviderAction::ClaimMachine {
        warm: warm(&id),
        stamp: env.stamp(Key::Machine, 1_764_000_001),
        volumes: vec![Subject::Live(volume.clone())],
        token: Token(format!("machine-{}", env.name)),
        is_protected: false,
    };
    let volume = done(provider, env.volume(provider, GIB, 1_764_000_000)).await;
    let volume = volume.unwrap();
    for _ in 0..2 {
        let claimed = done(provider, claim(env, &volume)).await;
        assert_eq!(claimed.as_ref(), Some(&id));
        let inventory = seen(provider).await;
        assert!(of(&inventory, pool, &Key::Machine).is_empty());
        let machine = machine_of(&inventory, env);
        assert_eq!((machine.power, machine.ready), (Power::Running, None));
        assert_eq!(machine.volumes, BTreeSet::from([volume.clone()]));
    }

    let theirs = done(provider, other.volume(provider, GIB, 1_764_000_000)).await;
    let theirs = theirs.unwrap();
    let give_back = |id: &LiveId| ProviderAction::GiveBack { warm: warm(id) };
    for late in [claim(other, &theirs), give_back(&id)] {
        let error = fails(provider, late).await;
        assert!(matches!(error, ProviderError::Moved { .. }), "{error}");
    }
    let next = done(provider, create("two")).await.expect("an id");
    assert_ne!(next, id, "the place of the first is taken");
    assert_eq!(done(provider, create("two")).await.as_ref(), Some(&next));
    for _ in 0..2 {
        done(provider, give_back(&next)).await;
        assert!(of(&seen(provider).await, pool, &Key::Machine).is_empty());
    }
    assert_eq!(machine_of(&seen(provider).await, env).power, Power::Running);
    done(provider, ProviderAction::DeleteMachine { id }).await;
    for id in [volume, theirs] {
        done(provider, ProviderAction::DeleteVolume { id }).await;
    }
}

/// A machine that is protected is not ended before that is taken back. The image is there already; a
/// provider without protection leaves this out.
pub async fn keeps_a_machine_from_being_ended(
    provider: &dyn Actuator,
    env: &Env,
    image: &ImageSpec,
) {
    let mut create = env.machine(provider, image, &[]);
    if let ProviderAction::CreateMachine { spec, .. } = &mut create {
        spec.is_protected = true;
    }
    let id = done(provider, create).await.expect("an id");
    let delete = || ProviderAction::DeleteMachine { id: id.clone() };
    let protect = |is_protected| {
        let id = id.clone();
        ProviderAction::ProtectMachine { id, is_protected }
    };
    for is_protected in [true, false, true] {
        for _ in 0..2 {
            done(provider, protect(is_protected)).await;
            for machine in [
                machine_of(&seen(provider).await, env),
                machine_by(provider, &id).await,
            ] {
                assert_eq!(machine.is_protected, Some(is_protected));
                assert_eq!(machine.power, Power::Running);
            }
        }
        if is_protected {
            let error = fails(provider, delete()).await;
            assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
        }
    }
    done(provider, protect(false)).await;
    done(provider, delete()).await;
    assert!(of(&seen(provider).await, env, &Key::Machine).is_empty());
}

/// The machines of an environment, each with its data volumes.
fn machines_of(inventory: &Inventory, env: &Env) -> BTreeMap<LiveId, BTreeSet<LiveId>> {
    let found = of(inventory, env, &Key::Machine).into_iter();
    let volumes = |o: &Object| o.fields.as_machine().unwrap().volumes.clone();
    found.map(|o| (o.id.clone(), volumes(o))).collect()
}

async fn ends_the_second_and_then_all(
    provider: &dyn Actuator,
    env: &Env,
    (first, second): (&LiveId, &LiveId),
    volume: &LiveId,
) {
    let delete = |id: &LiveId| ProviderAction::DeleteMachine { id: id.clone() };
    done(provider, delete(second)).await;
    let inventory = seen(provider).await;
    let machine = machine_of(&inventory, env);
    assert_eq!(machine.volumes, BTreeSet::from([volume.clone()]));
    let found = of(&inventory, env, &Key::Volume("data".into()));
    assert_eq!(found.len(), 1, "the data is there");

    done(provider, delete(first)).await;
    let id = volume.clone();
    done(provider, ProviderAction::DeleteVolume { id }).await;
    let inventory = seen(provider).await;
    assert!(of(&inventory, env, &Key::Machine).is_empty());
    assert!(of(&inventory, env, &Key::Volume("data".into())).is_empty());
}

/// A place that has no machines to spare makes none for who wants nothing else, and an ordinary one for
/// who only prefers them.
pub async fn has_none_to_spare(provider: &dyn Actuator, env: &Env, image: &ImageSpec) {
    let on = |wanted| {
        let mut create = env.machine(provider, image, &[]);
        if let ProviderAction::CreateMachine { spec, .. } = &mut create {
            spec.market = wanted;
        }
        create
    };
    let error = fails(provider, on(Market::SpotOnly)).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    assert!(of(&seen(provider).await, env, &Key::Machine).is_empty());
    let id = done(provider, on(Market::Spot)).await.expect("an id");
    assert!(!machine_of(&seen(provider).await, env).is_spot);
    done(provider, ProviderAction::DeleteMachine { id }).await;
}

/// A machine that has the name we need and is not ours is seen, named, and left alone.
pub async fn leaves_a_foreign_machine_alone(provider: &dyn Actuator, env: &Env, image: &ImageSpec) {
    let name = format!("metrom-{}", env.name);
    let before = foreign(&seen(provider).await, &name);
    let error = fails(provider, env.machine(provider, image, &[])).await;
    assert!(matches!(error, ProviderError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains(&name), "{error}");
    assert_eq!(foreign(&seen(provider).await, &name), before);
}

/// The object of that name, which carries no stamp of ours.
pub fn foreign(inventory: &Inventory, name: &str) -> Object {
    let found = inventory.objects.iter().find(|o| o.name == name);
    let object = found.expect("what is foreign is seen as well").clone();
    assert_eq!(object.stamp, None);
    assert!(matches!(object.fields, LiveFields::Machine(_)));
    object
}
