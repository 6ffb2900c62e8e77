package dev.lockstep.cluster;

import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
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

/// The nodes below one root in ZooKeeper; the only file that speaks Curator.
///
/// Paths are relative to the root. Whatever changes in the tree, in an election or in the
/// connection is one signal, `changed`: watches may skip states, so its receiver reads again.
/// Methods that speak to the servers throw [IOException] when those do not answer, within 10 s.
///
/// No Curator namespace: it would make the root once and miss that ZooKeeper was wiped.
final class ZooKeeperTree implements AutoCloseable {

    /// A process counts as gone this long after its last sign of life; the servers may grant
    /// another value.
    static final Duration SESSION_TIMEOUT = Duration.ofSeconds(6);

    private static final Duration CONNECTION_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration LONGEST_GOOD_SESSION = Duration.ofSeconds(10);
    private static final Logger LOG = LogManager.getLogger(ZooKeeperTree.class);

    /// A node as it was read.
    ///
    /// @param owner the session it vanishes with, 0 for none
    /// @param born grows from node to node
    record Node(byte[] data, int version, long owner, long born) {}

    /// A place in the line of those who want to lead.
    interface Election extends AutoCloseable {
        boolean first();

        /// Leaves the line, so that the next one is first.
        @Override
        void close();
    }

    private final String servers;
    private final String root;
    private final Runnable changed;
    private final Watcher watcher;
    private final CuratorFramework curator;
    private volatile boolean watched;

    /// A tree that does nothing before [#start].
    ///
    /// @param changed called on threads of Curator's, so it must not block
    ZooKeeperTree(String servers, String root, Runnable changed) {
        this.servers = servers;
        this.root = root;
        this.changed = changed;
        watcher = event -> changed.run();
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty(ZKClientConfig.ENABLE_CLIENT_SASL_KEY, "false");
        curator =
                CuratorFrameworkFactory.builder()
                        .connectString(servers)
                        .sessionTimeoutMs((int) SESSION_TIMEOUT.toMillis())
                        .connectionTimeoutMs((int) CONNECTION_TIMEOUT.toMillis())
                        // Whoever is told of a failure tries again later by itself.
                        .retryPolicy(new RetryOneTime(100))
                        // The default takes SUSPENDED for a lost election.
                        .connectionStateErrorPolicy(new SessionConnectionStateErrorPolicy())
                        // After a session's time without connection a new one is tried. It must be:
                        // a wiped server for ever turns away a session that saw more than it has.
                        .simulatedSessionExpirationPercent(100)
                        // Else the given addresses give way to those the servers call their own.
                        .ensembleTracker(false)
                        .zkClientConfig(config)
                        .build();
        curator.getConnectionStateListenable()
                .addListener((client, state) -> connectionChanged(state));
    }

    /// Begins to connect and returns at once; it goes on trying until it succeeds.
    void start() {
        curator.start();
    }

    private void connectionChanged(ConnectionState state) {
        switch (state) {
            case CONNECTED, RECONNECTED -> {
                int granted = curator.getZookeeperClient().getLastNegotiatedSessionTimeoutMs();
                LOG.info("ZooKeeper at {}: connected, sessions last {} ms", servers, granted);
                if (granted > LONGEST_GOOD_SESSION.toMillis()) {
                    LOG.warn("sessions of {} ms find lost processes late; lower tickTime", granted);
                }
                watched = false;
            }
            case SUSPENDED -> LOG.warn("ZooKeeper at {} is away; the last content stays", servers);
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

    /// The id of the present session.
    long session() throws IOException, InterruptedException {
        return call(() -> curator.getZookeeperClient().getZooKeeper().getSessionId());
    }

    /// Asks for signals, which each new session must do again; does nothing when that is done.
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

    Optional<Node> read(String path) throws IOException, InterruptedException {
        return call(
                () -> {
                    try {
                        Stat stat = new Stat();
                        byte[] data = curator.getData().storingStatIn(stat).forPath(full(path));
                        long owner = stat.getEphemeralOwner();
                        return Optional.of(
                                new Node(data, stat.getVersion(), owner, stat.getCzxid()));
                    } catch (KeeperException.NoNodeException e) {
                        return Optional.empty();
                    }
                });
    }

    /// All nodes right below a path, by their paths; none when it does not exist.
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

    /// Makes a node and the path to it.
    ///
    /// @param ephemeral whether it vanishes with this session
    /// @return false when there is one already
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

    /// Changes a node that still has the version it was read with.
    ///
    /// @return false when it has not
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

    /// Puts a node of this session in the place of one of a lost session; nobody sees a gap.
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

    /// Removes a node if it is there.
    void delete(String path) throws IOException, InterruptedException {
        call(() -> curator.delete().quietly().forPath(full(path)));
    }

    /// Joins the line below a path, now or when connected; each new session joins at its end.
    Election enter(String path, String contender) {
        LeaderLatch latch = new LeaderLatch(curator, full(path), contender);
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
                    LOG.debug("the election {} was not left in order", path, e);
                }
            }
        };
    }

    /// Ends the session, so that everything ephemeral vanishes at once.
    @Override
    public void close() {
        curator.close();
    }

    private String full(String path) {
        return root + "/" + path;
    }

    private <T> T call(Callable<T> operation) throws IOException, InterruptedException {
        try {
            return operation.call();
        } catch (InterruptedException | IOException e) {
            throw e;
        } catch (Exception e) {
            throw new IOException("ZooKeeper at " + servers + " does not answer", e);
        }
    }
}
