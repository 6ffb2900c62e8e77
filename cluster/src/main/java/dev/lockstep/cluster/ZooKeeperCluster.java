package dev.lockstep.cluster;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.framework.state.SessionConnectionStateErrorPolicy;
import org.apache.curator.retry.RetryOneTime;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.Stat;

/// The cluster as ZooKeeper knows it; the only file that speaks Curator.
///
/// ```
/// /lockstep/<cluster>/members/<role>-<group>-<rank>-<incarnation>   ephemeral, a Member as JSON
///                    /election/<group>/…                            a LeaderLatch
///                    /epochs/<group>                                "<epoch> <holder>", changed by compare-and-set
///                    /block-hash-key                                16 bytes
/// ```
///
/// Everything is level-triggered: whatever happens, one thread reads the whole small tree again and
/// brings it and what is wanted together, for watches may skip states. One persistent watch covers
/// the tree, and a slow tick covers the watch.
///
/// No Curator namespace: it would make the root once and miss that ZooKeeper was wiped.
public final class ZooKeeperCluster implements Cluster {

    /// A process counts as gone this long after its last sign of life; the servers may grant
    /// another value.
    public static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6);

    private static final Duration CONNECTION_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration LONGEST_GOOD_SESSION = Duration.ofSeconds(10);
    private static final Duration TICK = Duration.ofSeconds(5);
    private static final Duration RETRY = Duration.ofMillis(500);
    private static final Duration EPOCH_PATIENCE = Duration.ofSeconds(3);
    private static final Duration KEY_PATIENCE = Duration.ofSeconds(10);

    /// How long members that are not seen after a lost session stay listed: they announce
    /// themselves again within it.
    private static final Duration RETURN_GRACE = Duration.ofSeconds(15);

    private static final Logger LOG = LogManager.getLogger(ZooKeeperCluster.class);

    private final String servers;
    private final String root;
    private final CuratorFramework curator;
    private final ScheduledThreadPoolExecutor tasks;
    private final EventThread events = new EventThread("cluster-events");
    private final MemberTable table = new MemberTable(events);
    private final AtomicBoolean refreshWaiting = new AtomicBoolean();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final List<Announcement> announcements = new CopyOnWriteArrayList<>();
    private final List<Contender> contenders = new CopyOnWriteArrayList<>();
    private final Watcher watcher = event -> refreshSoon();

    private volatile boolean watchMissing = true;

    // Owned by the thread of tasks.
    private long session;
    private long graceUntilNanos = System.nanoTime();

    /// Begins to connect and returns at once, whether or not ZooKeeper is up; it goes on trying
    /// until it is.
    ///
    /// @param servers `host:port,host:port`
    /// @param cluster separates clusters that share a ZooKeeper
    public static ZooKeeperCluster connect(String servers, String cluster) {
        return new ZooKeeperCluster(servers, cluster);
    }

    private ZooKeeperCluster(String servers, String cluster) {
        this.servers = servers;
        root = "/lockstep/" + Member.requireName(cluster, "cluster");
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty(ZKClientConfig.ENABLE_CLIENT_SASL_KEY, "false");
        curator =
                CuratorFrameworkFactory.builder()
                        .connectString(servers)
                        // Curator gives a session up after this time without a connection. It must:
                        // a server that
                        // was wiped turns clients away for ever that saw more of its past than it
                        // has.
                        .sessionTimeoutMs((int) SESSION_TIMEOUT.toMillis())
                        .connectionTimeoutMs((int) CONNECTION_TIMEOUT.toMillis())
                        // The tick tries again; a longer policy would only keep the task thread
                        // waiting.
                        .retryPolicy(new RetryOneTime(100))
                        // The default takes SUSPENDED for a lost election.
                        .connectionStateErrorPolicy(new SessionConnectionStateErrorPolicy())
                        // Would exchange the given servers for the addresses they announce among
                        // themselves.
                        .ensembleTracker(false)
                        .zkClientConfig(config)
                        .build();
        tasks =
                new ScheduledThreadPoolExecutor(
                        1,
                        Thread.ofPlatform().daemon().name("cluster-zookeeper").factory(),
                        new ThreadPoolExecutor.DiscardPolicy());
        tasks.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        curator.getConnectionStateListenable()
                .addListener((client, state) -> connectionChanged(state));
        curator.start();
        var _ =
                tasks.scheduleWithFixedDelay(
                        this::refreshSoon, TICK.toMillis(), TICK.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public Membership membership() {
        return table;
    }

    @Override
    public Registration register(Member member) {
        Announcement announcement = new Announcement(member);
        announcements.add(announcement);
        refreshSoon();
        return announcement;
    }

    @Override
    public Leadership contend(String group, String contender, Leadership.Listener listener) {
        Contender contending =
                new Contender(Member.requireName(group, "group"), contender, listener);
        contenders.add(contending);
        contending.start();
        return contending;
    }

    @Override
    public byte[] blockHashKey() {
        String path = root + "/block-hash-key";
        byte[] fresh = Randomness.secure().nextKey();
        long deadline = System.nanoTime() + KEY_PATIENCE.toNanos();
        do {
            try {
                if (awaitConnected(RETRY)) {
                    return orCreate(path, fresh);
                }
            } catch (KeeperException e) {
                LOG.debug("block hash key", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                break;
            }
        } while (System.nanoTime() < deadline);
        throw new IllegalStateException(
                "ZooKeeper at " + servers + " does not answer; is it running?");
    }

    @Override
    public boolean connected() {
        return curator.getZookeeperClient().isConnected();
    }

    @Override
    public boolean awaitConnected(Duration timeout) throws InterruptedException {
        return curator.blockUntilConnected((int) timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    /// Ends the session, so that everything ephemeral vanishes at once.
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            tasks.shutdownNow();
            contenders.forEach(Contender::leave);
            curator.close();
            events.close();
        }
    }

    /// The session ZooKeeper gave this process, for tests.
    long sessionId() {
        try {
            return curator.getZookeeperClient().getZooKeeper().getSessionId();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void connectionChanged(ConnectionState state) {
        switch (state) {
            case CONNECTED, RECONNECTED -> {
                int granted = curator.getZookeeperClient().getLastNegotiatedSessionTimeoutMs();
                LOG.info("ZooKeeper at {}: connected, sessions last {} ms", servers, granted);
                if (granted > LONGEST_GOOD_SESSION.toMillis()) {
                    LOG.warn(
                            "sessions of {} ms find lost processes late; lower the servers' tickTime",
                            granted);
                }
                watchMissing = true;
                refreshSoon();
            }
            case SUSPENDED ->
                    LOG.warn("ZooKeeper at {} is away; going on with what was last seen", servers);
            case LOST ->
                    LOG.warn(
                            "the session with ZooKeeper at {} is lost; announcing anew when it is back",
                            servers);
            case READ_ONLY -> LOG.warn("ZooKeeper at {} is read-only", servers);
        }
    }

    // ---- one thread brings together what is there and what is wanted

    private void refreshSoon() {
        if (refreshWaiting.compareAndSet(false, true)) {
            tasks.execute(this::refresh);
        }
    }

    private void refresh() {
        refreshWaiting.set(false);
        if (!connected()) {
            return;
        }
        try {
            noteSession();
            if (watchMissing) {
                watchMissing = false;
                curator.watchers()
                        .add()
                        .withMode(AddWatchMode.PERSISTENT_RECURSIVE)
                        .usingWatcher(watcher)
                        .forPath(root);
            }
            Map<String, Node> nodes = readMembers();
            boolean changed = false;
            for (Announcement announcement : announcements) {
                changed |=
                        announcement.reconcile(Optional.ofNullable(nodes.get(announcement.path)));
            }
            publish(changed ? readMembers() : nodes);
            for (Contender contender : contenders) {
                contender.evaluate();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            watchMissing = true;
            LOG.debug("reading ZooKeeper failed, trying again", e);
            var _ = tasks.schedule(this::refreshSoon, RETRY.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    private void noteSession() {
        long now = sessionId();
        if (session != 0 && now != session) {
            graceUntilNanos = System.nanoTime() + RETURN_GRACE.toNanos();
        }
        session = now;
    }

    private record Node(byte[] data, Stat stat) {}

    private Map<String, Node> readMembers() throws Exception {
        String members = root + "/members";
        Map<String, Node> nodes = new HashMap<>();
        List<String> names;
        try {
            names = curator.getChildren().forPath(members);
        } catch (KeeperException.NoNodeException e) {
            return nodes;
        }
        for (String name : names) {
            try {
                Stat stat = new Stat();
                byte[] data = curator.getData().storingStatIn(stat).forPath(members + "/" + name);
                nodes.put(members + "/" + name, new Node(data, stat));
            } catch (KeeperException.NoNodeException e) {
                LOG.trace("{} left while being read", name);
            }
        }
        return nodes;
    }

    private void publish(Map<String, Node> nodes) {
        List<Member> members = new ArrayList<>();
        nodes.entrySet().stream()
                .sorted(Comparator.comparingLong(entry -> entry.getValue().stat().getCzxid()))
                .forEach(
                        entry -> {
                            try {
                                members.add(MemberJson.read(entry.getValue().data()));
                            } catch (IllegalArgumentException e) {
                                LOG.warn("{} is passed over: {}", entry.getKey(), e.getMessage());
                            }
                        });
        if (System.nanoTime() - graceUntilNanos < 0) {
            table.add(members);
        } else {
            table.replace(members);
        }
    }

    private byte[] orCreate(String path, byte[] fresh)
            throws KeeperException, InterruptedException {
        try {
            try {
                curator.create().creatingParentsIfNeeded().forPath(path, fresh);
            } catch (KeeperException.NodeExistsException e) {
                LOG.trace("{} exists", path);
            }
            return curator.getData().forPath(path);
        } catch (KeeperException | InterruptedException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void fire(Runnable listener) {
        events.execute(listener);
    }

    /// A member's node, kept as wanted by [#reconcile].
    private final class Announcement implements Registration {

        private final String path;
        private volatile Member wanted;
        private volatile byte[] json;
        private volatile boolean withdrawn;

        Announcement(Member member) {
            wanted = member;
            json = MemberJson.write(member);
            path =
                    root
                            + "/members/"
                            + member.role().word()
                            + "-"
                            + member.group()
                            + "-"
                            + member.rank()
                            + "-"
                            + member.incarnation();
        }

        /// Makes, changes, renews or removes the node.
        ///
        /// @return whether anything had to be done
        boolean reconcile(Optional<Node> there) throws Exception {
            byte[] data = json;
            if (withdrawn) {
                if (there.isPresent()) {
                    curator.delete().quietly().forPath(path);
                }
                announcements.remove(this);
                return there.isPresent();
            }
            if (there.isEmpty()) {
                create(data);
                return true;
            }
            if (there.get().stat().getEphemeralOwner() != session) {
                // Of our own lost session: it would vanish with it.
                curator.delete().quietly().forPath(path);
                create(data);
                return true;
            }
            if (!Arrays.equals(there.get().data(), data)) {
                curator.setData().forPath(path, data);
                return true;
            }
            return false;
        }

        private void create(byte[] data) throws Exception {
            curator.create()
                    .creatingParentsIfNeeded()
                    .withMode(CreateMode.EPHEMERAL)
                    .forPath(path, data);
            LOG.info("announced {}", wanted.describe());
        }

        @Override
        public Member member() {
            return wanted;
        }

        @Override
        public void update(Member changed) {
            Registration.requireSame(wanted, changed);
            json = MemberJson.write(changed);
            wanted = changed;
            refreshSoon();
        }

        @Override
        public void close() {
            withdrawn = true;
            refreshSoon();
        }
    }

    /// A latch says who may begin, the counter says who leads; [Term] decides.
    private final class Contender implements Leadership {

        private final String group;
        private final String counterPath;
        private final Listener listener;
        private final LeaderLatch latch;
        private final Term term;

        Contender(String group, String contender, Listener listener) {
            this.group = group;
            this.listener = listener;
            counterPath = root + "/epochs/" + group;
            term = new Term(contender);
            latch = new LeaderLatch(curator, root + "/election/" + group, contender);
        }

        void start() {
            latch.addListener(
                    new LeaderLatchListener() {
                        @Override
                        public void isLeader() {
                            refreshSoon();
                        }

                        @Override
                        public void notLeader() {
                            refreshSoon();
                        }
                    });
            try {
                latch.start();
            } catch (Exception e) {
                throw new IllegalStateException("the election of " + group + " did not start", e);
            }
        }

        /// On the task thread.
        void evaluate() throws Exception {
            Stat stat = new Stat();
            Term.Counter counter = readCounter(stat);
            observe(counter);
            Term.Counter own;
            synchronized (term) {
                if (!term.counterLags(counter)) {
                    return;
                }
                own = term.own();
            }
            writeCounter(own, stat);
        }

        private void observe(Term.Counter counter) {
            Term.Change change;
            synchronized (term) {
                change = term.observe(latch.hasLeadership(), counter);
            }
            switch (change) {
                case NONE -> {}
                case ELECTED -> {
                    LOG.info("elected for group {}, last epoch {}", group, counter.epoch());
                    fire(listener::elected);
                }
                case DEPOSED -> {
                    LOG.warn("deposed in group {}: epoch {} is taken", group, counter.epoch());
                    fire(listener::deposed);
                }
            }
        }

        /// Version -1 in `stat` means that there is no counter yet.
        private Term.Counter readCounter(Stat stat) throws Exception {
            try {
                byte[] data = curator.getData().storingStatIn(stat).forPath(counterPath);
                return Term.Counter.parse(new String(data, StandardCharsets.UTF_8));
            } catch (KeeperException.NoNodeException e) {
                stat.setVersion(-1);
                return Term.Counter.NONE;
            }
        }

        /// Compare-and-set against what `stat` was read with.
        ///
        /// @return whether nobody else was faster
        private boolean writeCounter(Term.Counter counter, Stat stat) throws Exception {
            byte[] data = counter.text().getBytes(StandardCharsets.UTF_8);
            try {
                if (stat.getVersion() < 0) {
                    curator.create().creatingParentsIfNeeded().forPath(counterPath, data);
                } else {
                    curator.setData().withVersion(stat.getVersion()).forPath(counterPath, data);
                }
                return true;
            } catch (KeeperException.BadVersionException
                    | KeeperException.NodeExistsException
                    | KeeperException.NoNodeException e) {
                return false;
            }
        }

        /// On the task thread.
        private OptionalLong take(long atLeast) throws Exception {
            while (true) {
                Stat stat = new Stat();
                Term.Counter counter = readCounter(stat);
                observe(counter);
                Term.Counter next;
                synchronized (term) {
                    if (!term.leading()) {
                        return OptionalLong.empty();
                    }
                    next = term.next(atLeast);
                }
                if (writeCounter(next, stat)) {
                    synchronized (term) {
                        term.took(next);
                    }
                    return OptionalLong.of(next.epoch());
                }
            }
        }

        @Override
        public OptionalLong nextEpoch(long atLeast) {
            if (closed.get() || !contenders.contains(this)) {
                return OptionalLong.empty();
            }
            if (connected()) {
                Future<OptionalLong> taking = tasks.submit(() -> take(atLeast));
                try {
                    return taking.get(EPOCH_PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
                } catch (ExecutionException | TimeoutException e) {
                    // If the write still arrives, the counter is only higher than it had to be.
                    taking.cancel(true);
                    LOG.debug("ZooKeeper gave no epoch", e);
                } catch (InterruptedException e) {
                    taking.cancel(true);
                    Thread.currentThread().interrupt();
                    return OptionalLong.empty();
                }
            }
            return takeAlone(atLeast);
        }

        private OptionalLong takeAlone(long atLeast) {
            OptionalLong epoch;
            boolean deposed;
            synchronized (term) {
                boolean led = term.leading();
                epoch = term.nextAlone(atLeast);
                deposed = led && !term.leading();
            }
            if (deposed) {
                LOG.warn("deposed in group {}: its workers obey epoch {}", group, atLeast);
                fire(listener::deposed);
            }
            epoch.ifPresent(
                    number ->
                            LOG.warn(
                                    "epoch {} of group {} taken without ZooKeeper", number, group));
            return epoch;
        }

        @Override
        public String group() {
            return group;
        }

        @Override
        public boolean leading() {
            synchronized (term) {
                return term.leading();
            }
        }

        @Override
        public void close() {
            contenders.remove(this);
            leave();
        }

        void leave() {
            synchronized (term) {
                term.resign();
            }
            try {
                latch.close();
            } catch (Exception e) {
                LOG.debug("the election of {} was not left in order", group, e);
            }
        }
    }
}
