// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.EmbeddedZooKeeper;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.RankLine;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.coordinator.AccessConfig;
import dev.lockstep.coordinator.ApiKeys;
import dev.lockstep.coordinator.TextSettings;
import dev.lockstep.model.ModelSource;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.scheduler.process.SchedulerConfig;
import dev.lockstep.worker.DeviceChoice;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Starts and watches the processes of a host: one worker per rank, a scheduler, with a standby if
/// that is asked for, and a coordinator; embeds a ZooKeeper server if none is configured. It never
/// handles a request. The creator closes it.
public final class Launcher {
    private static final Logger LOG = LogManager.getLogger(Launcher.class);
    private static final Duration QUICK = Duration.ofSeconds(1);

    /// Time from the end of a drain to that of the last process.
    public static final Duration CLOSING = Duration.ofSeconds(10);

    /// Time for each role to close after the drain, of [#CLOSING].
    private static final Duration STEP_DOWN = Duration.ofSeconds(3);

    /// A signal to the process group may reach a child first, and must reach this process before
    /// that child is replaced.
    private static final Duration GROUP_SIGNAL = Duration.ofMillis(500);

    private static final Duration UNANSWERED = Duration.ofSeconds(5);
    private static final long POLL_MILLIS = 50;

    /// Exit codes of processes that a signal ended begin after this one.
    private static final int KILLED = 128;

    private final LauncherConfig config;
    private final Terminal terminal;
    private final long parameters;
    private final TextCheck text;
    private final Shape shape;
    private final Optional<String> apiKey;
    private final String connectString;
    private final ZooKeeperCluster cluster;
    private final HostWorkers workers;
    private final List<Child> schedulers = new ArrayList<>();
    private final Child coordinator;
    private final CommonProgress loading = new CommonProgress();
    private volatile Optional<ChildrenWatch> watch = Optional.empty();

    // Guarded by this.
    private boolean started;
    private boolean closing;
    private Optional<String> failure = Optional.empty();

    /// A cluster that is ready for requests: the address of its coordinator, and its group.
    public record Ready(String host, int port, GroupStatus group) {}

    /// Returns a key that the coordinator accepts; empty if it needs none.
    public Optional<String> apiKey() {
        return apiKey;
    }

    /// Returns a client of a ready coordinator, which its creator closes.
    public LockstepClient client(Ready ready, Duration deadline) {
        return LockstepClient.connect(ready.host(), ready.port(), deadline, apiKey.orElse(""));
    }

    /// @param owner closes what it is given at the end of the process, in reverse order, also when
    ///   this constructor does not return in time; it throws once the process stops
    public Launcher(LauncherConfig config, Terminal terminal, Consumer<AutoCloseable> owner) {
        this.config = config;
        this.terminal = terminal;
        Settings settings = config.settings();
        AccessConfig clients = AccessConfig.of(settings);
        if (clients.isOpen()) {
            terminal.say(clients.warning());
        }
        this.apiKey = ApiKeys.any(settings);
        SchedulerConfig.requirePolicies(settings);
        int size = settings.value(ProcessKeys.TENSOR_PARALLEL);
        ModelSource source = ModelSource.open(config.model().path()).requireLoadable(size);
        // Fails where the folder's path is too long for the sockets of the children.
        var _ = address(config.runFolder());
        this.parameters = source.parameterCount();
        this.text =
                TextCheck.of(TextSettings.of(settings).requireToolFormat(), config.model().path());
        this.shape = Shape.of(settings, source, size);
        Optional<RunFolder> zookeeperFiles =
                config.zookeeper().isPresent()
                        ? Optional.empty()
                        : Optional.of(RunFolder.temporary(freshFolder(config.runFolder())));
        zookeeperFiles.ifPresent(files -> owner.accept(files::remove));
        Optional<Path> ownSecret =
                zookeeperFiles.map(files -> files.path().resolve("cluster-secret"));
        ClusterAccess access =
                ownSecret
                        .map(file -> ClusterAccess.of(ClusterSecret.readOrCreate(file)))
                        .orElseGet(() -> ClusterAccess.of(settings));
        this.connectString =
                zookeeperFiles
                        .map(files -> startZooKeeper(files, access, owner))
                        .or(config::zookeeper)
                        .orElseThrow();
        this.cluster =
                ZooKeeperCluster.connect(
                        connectString, settings.value(ProcessKeys.CLUSTER), access);
        var children =
                new HostChildren(
                        config,
                        shape,
                        connectString,
                        ownSecret,
                        false,
                        shape.device() instanceof DeviceChoice.Cpu
                                ? BatchPolicy.prefix()
                                : List.of(),
                        new Watcher());
        schedulers.add(children.scheduler("scheduler", 0));
        if (settings.value(LauncherConfig.STANDBY)) {
            schedulers.add(children.scheduler("scheduler-2", 1));
        }
        this.coordinator = children.coordinator();
        this.workers = new HostWorkers(children, schedulers, cluster.membership(), terminal::say);
    }

    /// Starts a ZooKeeper server and returns its address.
    private static String startZooKeeper(
            RunFolder files, ClusterAccess access, Consumer<AutoCloseable> owner) {
        EmbeddedZooKeeper server = EmbeddedZooKeeper.start(files.path(), 0, access);
        owner.accept(
                () -> {
                    server.close();
                    // The folder may have been removed while the server wrote its first files.
                    files.remove();
                });
        return server.connectString();
    }

    /// Returns an address like those of the children.
    private static InternalAddress address(Path runFolder) {
        return InternalAddress.unix(runFolder, JavaProcess.Role.SCHEDULER.name());
    }

    /// Returns a line for each limit that is below its default because of too little memory.
    public List<String> lowered() {
        return shape.memory().lowered();
    }

    /// Returns the start screen, a description of the running cluster.
    public String startScreen(Ready ready, Duration timeToReady) {
        return StartScreen.text(ready, config, shape, text, parameters, timeToReady);
    }

    /// Starts every process and waits until the cluster serves.
    ///
    /// @throws UnusableException when a process ends before the cluster is ready
    public Ready start() throws InterruptedException {
        workers.all().forEach(Child::start);
        coordinator.start();
        schedulers.forEach(Child::start);
        watch = Optional.of(new ChildrenWatch(this::children));
        long patienceEnds = System.nanoTime() + UNANSWERED.toNanos();
        boolean waits = false;
        while (true) {
            if (!waits && !cluster.connected() && System.nanoTime() - patienceEnds > 0) {
                waits = true;
                terminal.say("waiting for ZooKeeper: nothing answers at " + connectString + " yet");
            }
            synchronized (this) {
                if (failure.isPresent()) {
                    terminal.endLine();
                    throw new UnusableException(failure.get());
                }
            }
            Optional<Ready> ready =
                    cluster.membership().snapshot().members(Member.Role.COORDINATOR).stream()
                            .filter(member -> member.ready() && coordinator.is(member.pid()))
                            .findFirst()
                            .flatMap(this::status);
            if (ready.isPresent()) {
                synchronized (this) {
                    started = true;
                }
                terminal.endLine();
                return ready.get();
            }
            Thread.sleep(POLL_MILLIS);
        }
    }

    private List<Child> children() {
        List<Child> all = new ArrayList<>(workers.all());
        all.addAll(schedulers);
        all.add(coordinator);
        return all;
    }

    /// Returns the longest time that a stop with these settings waits for running requests.
    public static Duration drainTime(Settings settings) {
        return settings.value(ProcessKeys.DRAIN_TIMEOUT)
                .plus(settings.find(ProcessKeys.DRAIN_GRACE).orElse(ProcessKeys.USUAL_DRAIN_GRACE));
    }

    /// Stops every process; if the reason drains, running streams finish first, unless the thread
    /// is interrupted.
    ///
    /// @return [ExitCode#UNFINISHED] if a drain ended before the streams did
    public int close(StopReason reason) {
        boolean drains;
        synchronized (this) {
            closing = true;
            // Before it was ready, no request runs that could finish.
            drains = reason.drains() && started;
        }
        workers.stop();
        boolean served = coordinator.isAlive();
        Duration drain = drainTime(config.settings());
        var stopping =
                new Stopping(
                        coordinator,
                        schedulers,
                        workers.all(),
                        // A child in a training run writes its cache when it exits.
                        config.training().isPresent() ? drain : STEP_DOWN);
        if (!drains || !stopping.drain(drain)) {
            stopping.endAll(QUICK);
        }
        watch.ifPresent(ChildrenWatch::close);
        cluster.close();
        return drains && served && coordinator.exitCode() != ExitCode.OK
                ? ExitCode.UNFINISHED
                : ExitCode.OK;
    }

    private Optional<Ready> status(Member coordinator) {
        MemberAddress address = coordinator.address();
        String group = config.settings().value(ProcessKeys.GROUP);
        ManagedChannel channel =
                NettyChannelBuilder.forAddress(address.host(), address.port())
                        .usePlaintext()
                        .build();
        try {
            ClusterStatusResponse status =
                    AdminGrpc.newBlockingStub(channel)
                            .withInterceptors(LockstepClient.authorization(apiKey.orElse("")))
                            .withDeadlineAfter(5, TimeUnit.SECONDS)
                            .clusterStatus(ClusterStatusRequest.getDefaultInstance());
            return status.getGroupsList().stream()
                    .filter(each -> each.getReady() && each.getGroup().equals(group))
                    .findFirst()
                    .map(each -> new Ready(address.host(), address.port(), each));
        } catch (StatusRuntimeException e) {
            LOG.debug("the coordinator does not report its status yet", e);
            return Optional.empty();
        } finally {
            channel.shutdownNow();
        }
    }

    /// Creates a new folder: sessions of an earlier run would delay the election of this one.
    private static Path freshFolder(Path runFolder) {
        try {
            return Files.createTempDirectory(runFolder, "zookeeper-");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make a folder in " + runFolder, e);
        }
    }

    /// Handles the end of a child: before the cluster is ready it fails the start, afterwards the
    /// child restarts.
    private final class Watcher implements Child.Listener {
        @Override
        public void progress(String child, String what, long done, long total) {
            loading.add(terminal, child, what, done, total);
        }

        @Override
        public void notice(String line) {
            terminal.say(line);
        }

        @Override
        public void ranks(Child scheduler, RankLine line) {
            workers.hear(scheduler, line);
        }

        /// Replaces a child that got SIGTERM, unless this process gets one too.
        @Override
        public void terminated(Child child) {
            try {
                Thread.sleep(GROUP_SIGNAL);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            synchronized (Launcher.this) {
                if (closing) {
                    return;
                }
            }
            boolean serves = child == coordinator;
            terminal.say(
                    child.name()
                            + " got SIGTERM and is replaced"
                            + (serves ? " when its streams have ended" : ""));
            // The requests of the others go on in their successors.
            child.replace(serves ? Daemon.DRAIN : Daemon.HAND_OVER);
        }

        @Override
        public boolean restart(String child, int exitCode, String lastLine) {
            synchronized (Launcher.this) {
                if (!started) {
                    failure = Optional.of("%s: %s".formatted(child, strip(lastLine)));
                    return false;
                }
            }
            // A standby is elected at once.
            cluster.endSessionsOfKilled(address(config.runFolder()).socket());
            // The last line of a child that was killed is about something else.
            String why = exitCode < KILLED ? ": " + strip(lastLine) : "";
            String ended = "%s ended with exit code %d".formatted(child, exitCode);
            if (workers.isLeft(child, ended + why)) {
                return false;
            }
            terminal.say("%s and is restarted%s".formatted(ended, why));
            return true;
        }

        /// Removes the command prefix of the child's line: the failure has the child's name
        /// already.
        private static String strip(String line) {
            return line.replaceFirst("^lockstep \\S+: ", "");
        }
    }
}
