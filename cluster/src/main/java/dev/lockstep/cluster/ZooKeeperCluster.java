// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ClusterName;
import dev.lockstep.cluster.process.Randomness;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The cluster in ZooKeeper.
///
/// ```
/// /lockstep/<cluster>/members/<role>-<group>-<rank>-<incarnation>   ephemeral, a Member as JSON
///                    /election/<group>/…                            the queue of contenders
///                    /epochs/<group>                                "<epoch> <holder>"
///                    /block-hash-key                                16 bytes
/// ```
///
/// All nodes belong to the cluster's user of ZooKeeper and admit no one else ([ZooKeeperAuth]).
///
/// Level-triggered: after any change, one thread reads the whole small tree again and reconciles it
/// with the wanted state. A slow tick covers changes that a watch might miss.
public final class ZooKeeperCluster implements Cluster {

    private static final Duration TICK = Duration.ofSeconds(5);
    private static final Duration RETRY = Duration.ofMillis(500);
    private static final Duration EPOCH_TIMEOUT = Duration.ofSeconds(3);
    private static final Duration REFUSED_TIMEOUT = Duration.ofSeconds(3);
    private static final Duration KEY_TIMEOUT = Duration.ofSeconds(10);

    /// The time for which members that are missing after a lost session remain listed: they
    /// announce themselves again within it.
    private static final Duration RETURN_GRACE = Duration.ofSeconds(15);

    private static final String MEMBERS = "members";
    private static final String BLOCK_HASH_KEY = "block-hash-key";
    private static final Logger LOG = LogManager.getLogger(ZooKeeperCluster.class);

    private final String servers;
    private final ScheduledThreadPoolExecutor tasks;
    private final EventThread events = new EventThread("cluster-events");
    private final MemberTable table = new MemberTable(events);
    private final AtomicBoolean refreshWaiting = new AtomicBoolean();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final List<ZooKeeperRegistration> registrations = new CopyOnWriteArrayList<>();
    private final List<ZooKeeperLeadership> leaderships = new CopyOnWriteArrayList<>();
    private final ZooKeeperTree tree;

    private volatile Optional<SessionFile> sessionFile = Optional.empty();

    // Owned by the thread of `tasks`.
    private long session;
    private long keptSession;
    private long graceUntilNanos = System.nanoTime();

    /// Starts to connect and returns at once, whether or not ZooKeeper is up; retries until it is.
    ///
    /// @param servers `host:port,host:port`
    /// @param cluster name that separates clusters that share a ZooKeeper
    public static ZooKeeperCluster connect(String servers, String cluster, ClusterAccess access) {
        return new ZooKeeperCluster(servers, ClusterName.require(cluster, "cluster"), access);
    }

    private ZooKeeperCluster(String servers, String cluster, ClusterAccess access) {
        this.servers = servers;
        tasks =
                new ScheduledThreadPoolExecutor(
                        1,
                        Thread.ofPlatform().daemon().name("cluster-zookeeper").factory(),
                        new ThreadPoolExecutor.DiscardPolicy());
        tree =
                new ZooKeeperTree(
                        servers, "/lockstep", cluster, access.zooKeeper(), this::refreshSoon);
        tree.start();
        long tick = TICK.toMillis();
        var _ = tasks.scheduleWithFixedDelay(this::tick, tick, tick, TimeUnit.MILLISECONDS);
    }

    @Override
    public Membership membership() {
        return table;
    }

    @Override
    public Registration register(Member member) {
        var registration = new ZooKeeperRegistration(tree, MEMBERS, member, this::refreshSoon);
        registrations.add(registration);
        refreshSoon();
        return registration;
    }

    @Override
    public Leadership contend(String group, String contender, Leadership.Listener listener) {
        var leadership =
                new ZooKeeperLeadership(
                        tree,
                        tasks,
                        events,
                        ClusterName.require(group, "group"),
                        contender,
                        listener,
                        leaderships::remove);
        leaderships.add(leadership);
        refreshSoon();
        return leadership;
    }

    @Override
    public OptionalLong givenEpoch(String group) {
        if (!tree.connected()) {
            return OptionalLong.empty();
        }
        Future<Long> reading =
                tasks.submit(
                        () ->
                                ZooKeeperLeadership.counter(
                                        tree, ClusterName.require(group, "group")));
        try {
            return OptionalLong.of(reading.get(EPOCH_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS));
        } catch (ExecutionException | TimeoutException | CancellationException e) {
            reading.cancel(true);
            LOG.debug("the epoch of group {} cannot be read", group, e);
            return OptionalLong.empty();
        } catch (InterruptedException e) {
            reading.cancel(true);
            Thread.currentThread().interrupt();
            return OptionalLong.empty();
        }
    }

    @Override
    public byte[] blockHashKey() {
        byte[] fresh = Randomness.secure().nextKey();
        long start = System.nanoTime();
        do {
            try {
                if (awaitConnected(RETRY)) {
                    try {
                        tree.create(BLOCK_HASH_KEY, fresh, false);
                        Optional<ZooKeeperTree.Node> node = tree.read(BLOCK_HASH_KEY);
                        if (node.isEmpty() || node.get().data().length == fresh.length) {
                            return node.map(ZooKeeperTree.Node::data).orElse(fresh);
                        }
                        LOG.warn(
                                "{} in ZooKeeper has {} bytes and is replaced",
                                BLOCK_HASH_KEY,
                                node.get().data().length);
                        tree.write(BLOCK_HASH_KEY, fresh, node.get().version());
                    } catch (IOException e) {
                        LOG.debug("no block hash key yet", e);
                        Thread.sleep(RETRY);
                    }
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                break;
            }
        } while (System.nanoTime() - start
                < (tree.problem().isPresent() ? REFUSED_TIMEOUT : KEY_TIMEOUT).toNanos());
        throw new IllegalStateException(
                tree.problem()
                        .orElse("ZooKeeper at " + servers + " does not answer; is it running?"));
    }

    /// Ends the sessions of killed processes whose sockets were in the same folder as `socket`, and
    /// keeps this process's session beside its socket, at which it listens already, so that the
    /// process that replaces it need not wait for the end of the session.
    public void handOverSession(Path socket) {
        SessionFile own = SessionFile.beside(socket);
        sessionFile = Optional.of(own);
        tasks.execute(() -> endDeadSessions(own));
        refreshSoon();
    }

    /// Ends the sessions of killed processes whose sockets were in the same folder as `socket`, for
    /// a process that learns of their end first.
    public void endSessionsOfKilled(Path socket) {
        tasks.execute(() -> endDeadSessions(SessionFile.beside(socket)));
    }

    private void endDeadSessions(SessionFile own) {
        for (SessionFile.Session dead : own.takeDead()) {
            try {
                tree.end(dead);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (IOException | RuntimeException e) {
                LOG.warn("the session of an earlier process ends by its time-out", e);
            }
        }
    }

    @Override
    public boolean connected() {
        return tree.connected();
    }

    @Override
    public boolean awaitConnected(Duration timeout) throws InterruptedException {
        return tree.awaitConnected(timeout);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            tasks.shutdownNow();
            leaderships.forEach(ZooKeeperLeadership::close);
            tree.close();
            sessionFile.ifPresent(SessionFile::remove);
            events.close();
        }
    }

    /// Returns this process's session, for tests that end it.
    long session() throws IOException, InterruptedException {
        return tree.session();
    }

    private void tick() {
        tree.logInAgain();
        refreshSoon();
    }

    private void refreshSoon() {
        if (refreshWaiting.compareAndSet(false, true)) {
            tasks.execute(this::refresh);
        }
    }

    private void refresh() {
        refreshWaiting.set(false);
        if (!tree.connected()) {
            return;
        }
        try {
            noteSession();
            tree.watch();
            Map<String, ZooKeeperTree.Node> nodes = tree.children(MEMBERS);
            boolean changed = false;
            for (ZooKeeperRegistration registration : registrations) {
                changed |=
                        registration.reconcile(Optional.ofNullable(nodes.get(registration.path())));
            }
            registrations.removeIf(ZooKeeperRegistration::gone);
            publish(changed ? tree.children(MEMBERS) : nodes);
            for (ZooKeeperLeadership leadership : leaderships) {
                leadership.reconcile();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            LOG.debug("refreshing failed, retrying", e);
            var _ = tasks.schedule(this::refreshSoon, RETRY.toMillis(), TimeUnit.MILLISECONDS);
        } catch (RuntimeException e) {
            // The executor would keep it to itself; the next tick tries again.
            LOG.error("refreshing failed", e);
        }
    }

    private void noteSession() throws IOException, InterruptedException {
        long now = tree.session();
        if (session != 0 && now != session) {
            graceUntilNanos = System.nanoTime() + RETURN_GRACE.toNanos();
        }
        if (sessionFile.isPresent() && now != keptSession) {
            sessionFile.get().write(tree.ownSession());
            keptSession = now;
        }
        session = now;
    }

    private void publish(Map<String, ZooKeeperTree.Node> nodes) {
        List<Member> members = new ArrayList<>();
        nodes.entrySet().stream()
                .sorted(Comparator.comparingLong(entry -> entry.getValue().born()))
                .forEach(entry -> read(entry.getKey(), entry.getValue()).ifPresent(members::add));
        if (System.nanoTime() - graceUntilNanos < 0) {
            table.add(members);
        } else {
            table.replace(members);
        }
    }

    private static Optional<Member> read(String path, ZooKeeperTree.Node node) {
        try {
            return Optional.of(MemberJson.read(node.data()));
        } catch (IllegalArgumentException e) {
            LOG.warn("ignoring {}: {}", path, e.getMessage());
            return Optional.empty();
        }
    }
}
