// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// One contender in ZooKeeper: the election decides which contender may begin to lead, the counter
/// which one leads; [LeadershipState] decides from both.
final class ZooKeeperLeadership implements Leadership {

    private static final Duration TIMEOUT = Duration.ofSeconds(3);
    private static final Logger LOG = LogManager.getLogger(ZooKeeperLeadership.class);

    private final ZooKeeperTree tree;
    private final ExecutorService tasks;
    private final Executor events;
    private final String group;
    private final String counterPath;
    private final Listener listener;
    private final Consumer<ZooKeeperLeadership> onClose;
    private final ZooKeeperTree.Election election;

    // Guarded by itself.
    private final LeadershipState state;
    private volatile boolean open = true;

    /// @param tasks the one thread that contacts ZooKeeper
    /// @param onClose called when this is closed
    ZooKeeperLeadership(
            ZooKeeperTree tree,
            ExecutorService tasks,
            Executor events,
            String group,
            String contender,
            Listener listener,
            Consumer<ZooKeeperLeadership> onClose) {
        this.tree = tree;
        this.tasks = tasks;
        this.events = events;
        this.group = group;
        this.listener = listener;
        this.onClose = onClose;
        counterPath = path(group);
        state = new LeadershipState(contender);
        election = tree.enter("election/" + group, contender);
    }

    /// Reads the counter again, and raises it when it lacks epochs that this leader took: taken
    /// without ZooKeeper, or ZooKeeper was wiped.
    void reconcile() throws IOException, InterruptedException {
        Optional<ZooKeeperTree.Node> node = tree.read(counterPath);
        LeadershipState.Counter counter = counter(node);
        observe(counter);
        Optional<LeadershipState.Counter> lagging;
        synchronized (state) {
            lagging = state.counterLags(counter) ? Optional.of(state.own()) : Optional.empty();
        }
        if (lagging.isPresent()) {
            compareAndSet(node, lagging.get());
        }
    }

    /// Reads the highest epoch that was given out for a group, on the thread of `tasks`.
    static long counter(ZooKeeperTree tree, String group) throws IOException, InterruptedException {
        tree.sync(path(group));
        return counter(tree.read(path(group))).epoch();
    }

    private static String path(String group) {
        return "epochs/" + group;
    }

    private static LeadershipState.Counter counter(Optional<ZooKeeperTree.Node> node) {
        return node.map(
                        read ->
                                LeadershipState.Counter.parse(
                                        new String(read.data(), StandardCharsets.UTF_8)))
                .orElse(LeadershipState.Counter.NONE);
    }

    private boolean compareAndSet(Optional<ZooKeeperTree.Node> read, LeadershipState.Counter next)
            throws IOException, InterruptedException {
        byte[] data = next.text().getBytes(StandardCharsets.UTF_8);
        return read.isPresent()
                ? tree.write(counterPath, data, read.get().version())
                : tree.create(counterPath, data, false);
    }

    private void observe(LeadershipState.Counter counter) {
        LeadershipState.Change change;
        synchronized (state) {
            change = state.observe(open && election.first(), counter);
        }
        switch (change) {
            case NONE -> {}
            case ELECTED -> {
                LOG.info("elected for group {}, last epoch {}", group, counter.epoch());
                events.execute(listener::elected);
            }
            case DEPOSED -> {
                LOG.warn("deposed in group {}: epoch {} is taken", group, counter.epoch());
                events.execute(listener::deposed);
            }
        }
    }

    @Override
    public OptionalLong nextEpoch(long atLeast) {
        if (!open) {
            return OptionalLong.empty();
        }
        if (tree.connected()) {
            Future<OptionalLong> taking = tasks.submit(() -> take(atLeast));
            try {
                return taking.get(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            } catch (ExecutionException | TimeoutException e) {
                // If the write still arrives, the counter is only higher than needed.
                taking.cancel(true);
                LOG.debug("taking an epoch through ZooKeeper failed", e);
            } catch (InterruptedException e) {
                taking.cancel(true);
                Thread.currentThread().interrupt();
                return OptionalLong.empty();
            }
        }
        return takeWithoutZooKeeper(atLeast);
    }

    /// Takes an epoch through ZooKeeper, on the thread of `tasks`.
    private OptionalLong take(long atLeast) throws IOException, InterruptedException {
        while (true) {
            Optional<ZooKeeperTree.Node> node = tree.read(counterPath);
            observe(counter(node));
            LeadershipState.Counter next;
            synchronized (state) {
                if (!state.leading()) {
                    return OptionalLong.empty();
                }
                next = state.next(atLeast);
            }
            if (compareAndSet(node, next)) {
                synchronized (state) {
                    state.took(next);
                }
                return OptionalLong.of(next.epoch());
            }
        }
    }

    private OptionalLong takeWithoutZooKeeper(long atLeast) {
        OptionalLong epoch;
        boolean deposed;
        synchronized (state) {
            boolean led = state.leading();
            epoch = state.nextWithoutZooKeeper(atLeast);
            deposed = led && !state.leading();
        }
        if (deposed) {
            LOG.warn("deposed in group {}: its workers obey epoch {}", group, atLeast);
            events.execute(listener::deposed);
        }
        epoch.ifPresent(
                number -> LOG.warn("epoch {} of group {} taken without ZooKeeper", number, group));
        return epoch;
    }

    @Override
    public String group() {
        return group;
    }

    @Override
    public boolean leading() {
        synchronized (state) {
            return state.leading();
        }
    }

    @Override
    public void close() {
        if (leading() && tree.connected()) {
            writeEpoch();
        }
        open = false;
        synchronized (state) {
            state.resign();
        }
        election.close();
        onClose.accept(this);
    }

    /// Writes the epochs that this leader took without ZooKeeper, before another contender can be
    /// elected: it would take them again, and the workers refuse them.
    private void writeEpoch() {
        Future<?> writing =
                tasks.submit(
                        () -> {
                            reconcile();
                            return null;
                        });
        try {
            writing.get(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            writing.cancel(true);
            LOG.warn("the last epoch of group {} may not be in ZooKeeper", group, e);
        } catch (InterruptedException e) {
            writing.cancel(true);
            Thread.currentThread().interrupt();
        }
    }
}
