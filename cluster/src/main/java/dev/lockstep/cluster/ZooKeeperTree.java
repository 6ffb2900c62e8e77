// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.CuratorEventType;
import org.apache.curator.framework.imps.CuratorFrameworkState;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.framework.state.SessionConnectionStateErrorPolicy;
import org.apache.curator.retry.RetryOneTime;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ConnectStringParser;
import org.apache.zookeeper.client.StaticHostProvider;
import org.apache.zookeeper.data.Stat;

/// The nodes below one root in ZooKeeper; the only file that uses Curator.
///
/// Paths are relative to the root. Every change of the tree, of an election or of the connection is
/// one signal, `changed`: watches may skip states, so its receiver reads the tree again. Methods
/// that contact the servers throw [IOException] when those do not answer within 10 s.
///
/// No Curator namespace: it would create the root once and miss that ZooKeeper was wiped.
final class ZooKeeperTree implements AutoCloseable {

    /// The time after its last sign of life at which a process counts as lost; the servers may
    /// grant another value.
    static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6);

    private static final Duration CONNECTION_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration LONGEST_GOOD_SESSION = Duration.ofSeconds(10);
    private static final Logger LOG = LogManager.getLogger(ZooKeeperTree.class);

    /// A node as it was read.
    ///
    /// @param owner the session that the node vanishes with, 0 for none
    /// @param born id of the creating transaction, which increases from node to node
    record Node(byte[] data, int version, long owner, long born) {}

    /// A position in the queue of contenders that want to lead.
    interface Election extends AutoCloseable {
        boolean first();

        /// Leaves the queue, so that the next contender is first.
        @Override
        void close();
    }

    private final String servers;
    private final String root;
    private final ZooKeeperAcl acl;
    private final Runnable changed;
    private final Watcher watcher;
    private final CuratorFramework curator;
    private final ZooKeeperHandle handle;
    private volatile boolean watched;
    private volatile boolean owned;
    private volatile Optional<String> problem = Optional.empty();

    /// Creates a tree that does nothing before [#start].
    ///
    /// @param base the parent of all roots, in which every user may create one
    /// @param auth the user that owns the nodes
    /// @param changed called on Curator's threads, so it must not block
    ZooKeeperTree(String servers, String base, String name, ZooKeeperAuth auth, Runnable changed) {
        this.servers = servers;
        this.root = base + "/" + name;
        this.acl = new ZooKeeperAcl(auth, base);
        this.changed = changed;
        watcher = event -> changed.run();
        CuratorFrameworkFactory.Builder builder = CuratorFrameworkFactory.builder();
        acl.logIn(builder);
        handle = new ZooKeeperHandle(builder.getZookeeperFactory());
        curator =
                builder.connectString(servers)
                        .sessionTimeoutMs((int) SESSION_TIMEOUT.toMillis())
                        .connectionTimeoutMs((int) CONNECTION_TIMEOUT.toMillis())
                        // The caller retries later after a failure.
                        .retryPolicy(new RetryOneTime(100))
                        // The default treats SUSPENDED as a lost election.
                        .connectionStateErrorPolicy(new SessionConnectionStateErrorPolicy())
                        // After one session time-out without a connection a new session is tried.
                        // That is necessary: a wiped server rejects for ever a session that saw
                        // more than the server holds.
                        .simulatedSessionExpirationPercent(100)
                        // Otherwise the servers' own addresses replace the given ones.
                        .ensembleTracker(false)
                        .aclProvider(acl)
                        .zookeeperFactory(handle)
                        .build();
        curator.getConnectionStateListenable()
                .addListener((client, state) -> connectionChanged(state));
        curator.getCuratorListenable()
                .addListener(
                        (client, event) -> {
                            if (event.getType() == CuratorEventType.WATCHED
                                    && event.getWatchedEvent().getState()
                                            == Watcher.Event.KeeperState.AuthFailed) {
                                refused(
                                        "ZooKeeper at %s does not admit %s: give the processes and lockstep zookeeper the same --cluster-secret-file, or --zookeeper-auth for another ensemble"
                                                .formatted(servers, auth));
                            }
                        });
    }

    private void refused(String reason) {
        if (!problem.equals(Optional.of(reason))) {
            problem = Optional.of(reason);
            LOG.error("{}", reason);
        }
    }

    /// Connects again after a login that failed or was broken off, which ends a client of
    /// ZooKeeper: another server may have had the address for a while.
    void logInAgain() {
        if (curator.getState() == CuratorFrameworkState.STARTED && handle.replaceEnded()) {
            // A login that is refused again and again has been reported.
            LOG.log(
                    problem.isPresent() ? Level.DEBUG : Level.WARN,
                    "the client of ZooKeeper at {} had ended, and connects anew",
                    servers);
        }
    }

    /// Returns why ZooKeeper cannot be used, although it answers; empty for no reason.
    Optional<String> problem() {
        return problem;
    }

    /// Starts to connect and returns at once; retries until it succeeds.
    void start() {
        curator.start();
    }

    private void connectionChanged(ConnectionState state) {
        switch (state) {
            case CONNECTED, RECONNECTED -> {
                int granted = curator.getZookeeperClient().getLastNegotiatedSessionTimeoutMs();
                LOG.info("ZooKeeper at {}: connected, session time-out {} ms", servers, granted);
                if (granted > LONGEST_GOOD_SESSION.toMillis()) {
                    LOG.warn(
                            "a session time-out of {} ms detects lost processes late; lower tickTime",
                            granted);
                }
                watched = false;
                owned = false;
            }
            case SUSPENDED ->
                    LOG.warn("ZooKeeper at {} is unreachable; keeping the last content", servers);
            case LOST -> LOG.warn("the session with ZooKeeper at {} is lost", servers);
            case READ_ONLY -> LOG.warn("ZooKeeper at {} is read-only", servers);
        }
        changed.run();
    }

    boolean connected() {
        return curator.getZookeeperClient().isConnected();
    }

    boolean awaitConnected(Duration timeout) throws InterruptedException {
        return curator.blockUntilConnected((int) timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    /// Returns the current session with its password.
    SessionFile.Session ownSession() throws IOException, InterruptedException {
        return call(
                () -> {
                    ZooKeeper client = curator.getZookeeperClient().getZooKeeper();
                    return new SessionFile.Session(
                            client.getSessionId(), client.getSessionPasswd());
                });
    }

    /// Ends the session of a process that is gone, with all of its nodes. Does nothing when it has
    /// ended already.
    void end(SessionFile.Session session) throws IOException, InterruptedException {
        var settled = new CountDownLatch(1);
        Watcher connection =
                event -> {
                    if (event.getState() != Watcher.Event.KeeperState.Disconnected) {
                        settled.countDown();
                    }
                };
        var client =
                new ZooKeeper(
                        servers,
                        (int) SESSION_TIMEOUT.toMillis(),
                        connection,
                        session.id(),
                        session.password(),
                        false,
                        new StaticHostProvider(
                                new ConnectStringParser(servers).getServerAddresses()),
                        acl.clientConfig());
        boolean answered = settled.await(CONNECTION_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
        client.close((int) CONNECTION_TIMEOUT.toMillis());
        LOG.info(
                "the session {} of an earlier process is ended, answered: {}",
                Long.toHexString(session.id()),
                answered);
    }

    /// Returns the id of the current session.
    long session() throws IOException, InterruptedException {
        return call(() -> curator.getZookeeperClient().getZooKeeper().getSessionId());
    }

    /// Watches the root, which each new session must do again; does nothing when it is watched.
    void watch() throws IOException, InterruptedException {
        if (watched) {
            return;
        }
        watched = true;
        try {
            call(
                    () -> {
                        curator.watchers()
                                .add()
                                .withMode(AddWatchMode.PERSISTENT_RECURSIVE)
                                .usingWatcher(watcher)
                                .forPath(root);
                        return watcher;
                    });
        } catch (IOException e) {
            watched = false;
            throw e;
        }
    }

    /// Makes the following reads see every write that was complete before this call: a server of an
    /// ensemble may lag behind the one that another process writes to.
    void sync(String path) throws IOException, InterruptedException {
        call(
                () -> {
                    // Without waiting for the answer: a session's requests are served in order.
                    curator.getZookeeperClient()
                            .getZooKeeper()
                            .sync(full(path), (_, _, _) -> {}, this);
                    return this;
                });
    }

    Optional<Node> read(String path) throws IOException, InterruptedException {
        return call(
                () -> {
                    try {
                        var stat = new Stat();
                        byte[] data = curator.getData().storingStatIn(stat).forPath(full(path));
                        long owner = stat.getEphemeralOwner();
                        return Optional.of(
                                new Node(data, stat.getVersion(), owner, stat.getCzxid()));
                    } catch (KeeperException.NoNodeException e) {
                        return Optional.empty();
                    }
                });
    }

    /// Returns the direct children of a path by their paths; none when it does not exist.
    Map<String, Node> children(String path) throws IOException, InterruptedException {
        List<String> names =
                call(
                        () -> {
                            try {
                                return curator.getChildren().forPath(full(path));
                            } catch (KeeperException.NoNodeException e) {
                                return List.of();
                            }
                        });
        Map<String, Node> nodes = new HashMap<>();
        for (String name : names) {
            String child = path + "/" + name;
            read(child).ifPresent(node -> nodes.put(child, node));
        }
        return nodes;
    }

    /// Creates a node and its parents.
    ///
    /// @param ephemeral whether it vanishes with this session
    /// @return false when the node exists already
    boolean create(String path, byte[] data, boolean ephemeral)
            throws IOException, InterruptedException {
        CreateMode mode = ephemeral ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT;
        return call(
                () -> {
                    try {
                        curator.create()
                                .creatingParentsIfNeeded()
                                .withMode(mode)
                                .forPath(full(path), data);
                        return true;
                    } catch (KeeperException.NodeExistsException e) {
                        return false;
                    }
                });
    }

    /// Writes a node that still has the version it was read with.
    ///
    /// @return false when it has another version or is gone
    boolean write(String path, byte[] data, int version) throws IOException, InterruptedException {
        return call(
                () -> {
                    try {
                        curator.setData().withVersion(version).forPath(full(path), data);
                        return true;
                    } catch (KeeperException.BadVersionException
                            | KeeperException.NoNodeException e) {
                        return false;
                    }
                });
    }

    /// Replaces a node of a lost session with one of this session in one transaction, so that no
    /// reader sees a gap.
    ///
    /// @return false when the old one vanished in between
    boolean renew(String path, byte[] data) throws IOException, InterruptedException {
        return call(
                () -> {
                    try {
                        curator.transaction()
                                .forOperations(
                                        curator.transactionOp().delete().forPath(full(path)),
                                        curator.transactionOp()
                                                .create()
                                                .withMode(CreateMode.EPHEMERAL)
                                                .forPath(full(path), data));
                        return true;
                    } catch (KeeperException.NoNodeException e) {
                        return false;
                    }
                });
    }

    /// Removes a node if it exists.
    void delete(String path) throws IOException, InterruptedException {
        call(() -> curator.delete().quietly().forPath(full(path)));
    }

    /// Joins the queue of an election, now or when connected; each new session joins at its end.
    Election enter(String path, String contender) {
        var latch = new LeaderLatch(curator, full(path), contender);
        latch.addListener(
                new LeaderLatchListener() {
                    @Override
                    public void isLeader() {
                        changed.run();
                    }

                    @Override
                    public void notLeader() {
                        changed.run();
                    }
                });
        try {
            latch.start();
        } catch (Exception e) {
            throw new IllegalStateException("the election " + path + " cannot be joined", e);
        }
        return new Election() {
            @Override
            public boolean first() {
                return latch.hasLeadership();
            }

            @Override
            public void close() {
                try {
                    latch.close();
                } catch (IOException | IllegalStateException e) {
                    LOG.debug("leaving the election {} failed", path, e);
                }
            }
        };
    }

    /// Ends the session, so that its ephemeral nodes vanish at once.
    @Override
    public void close() {
        curator.close();
    }

    private String full(String path) {
        return root + "/" + path;
    }

    /// Creates the root if it does not exist, and throws if others can change it: a foreign process
    /// could announce itself as a scheduler and receive prompts.
    private void own() throws Exception {
        if (owned) {
            return;
        }
        try {
            curator.create().creatingParentsIfNeeded().forPath(root, new byte[0]);
        } catch (KeeperException.NodeExistsException e) {
            LOG.debug("{} exists", root);
        }
        if (!acl.isOwn(curator.getACL().forPath(root))) {
            throw new KeeperException.NoAuthException();
        }
        owned = true;
        problem = Optional.empty();
    }

    private <T> T call(Callable<T> operation) throws IOException, InterruptedException {
        try {
            own();
            return operation.call();
        } catch (KeeperException.NoAuthException e) {
            String reason =
                    "%s in ZooKeeper at %s does not belong to %s alone: remove it, or choose another --cluster"
                            .formatted(root, servers, acl.auth());
            refused(reason);
            throw new IOException(reason, e);
        } catch (InterruptedException | IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException("ZooKeeper at " + servers + " does not answer", e);
        }
    }
}
