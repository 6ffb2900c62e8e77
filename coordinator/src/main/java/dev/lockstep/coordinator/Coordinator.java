package dev.lockstep.coordinator;

import com.linecorp.armeria.common.SessionProtocol;
import com.linecorp.armeria.server.Server;
import com.linecorp.armeria.server.ServerBuilder;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.coordinator.engine.SchedulerClient;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A coordinator at work: one port for HTTP and gRPC, and the way to the schedulers behind it.
///
/// It listens as soon as it is made and answers 503 until the model's text is loaded and a group is
/// ready. Whoever makes it stops it.
final class Coordinator {
    /// Bytes are moved by few threads; requests have virtual ones.
    private static final int EVENT_LOOPS = 2;

    /// What streams get to say at SIGINT, of the 1.5 s that a quick stop has.
    private static final Duration LAST_WORDS = Duration.ofMillis(700);

    /// How long the last bytes get to go out.
    private static final Duration FLUSH = Duration.ofMillis(100);

    private static final Logger LOG = LogManager.getLogger(Coordinator.class);

    private final CoordinatorConfig config;
    private final SchedulerClient schedulers;
    private final OpenRequests requests = new OpenRequests();
    private final Outcomes outcomes = new Outcomes();
    private final Readiness readiness;
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("request-", 0).factory());
    private final Metrics metrics;
    private final RpcEndpoint rpc;
    private final Server server;
    private final Randomness randomness = Randomness.secure();
    private Optional<Registration> registration = Optional.empty();
    private Optional<Thread> keyWaiter = Optional.empty();

    /// Listens.
    ///
    /// @throws UncheckedIOException with one line, when the port cannot be had
    Coordinator(CoordinatorConfig config, CompletableFuture<ServedModel> model, Timeouts timeouts) {
        Failpoints failpoints =
                Failpoints.parse(config.failpoints(), "coordinator", Completion.FAILPOINTS);
        this.config = config;
        this.schedulers = new SchedulerClient(Clock.SYSTEM, this::update);
        this.metrics = new Metrics(schedulers, requests, outcomes);
        Completion.World world =
                new Completion.World(schedulers, Clock.SYSTEM, failpoints, timeouts.quiet());
        CompletionFactory completions = new CompletionFactory(model, world, randomness);
        this.readiness = new Readiness(completions, schedulers, requests);
        RequestMemory memory = new RequestMemory(config.maxBodyBytes());
        this.rpc =
                new RpcEndpoint(
                        List.of(
                                new InferenceService(
                                        completions, requests, outcomes, timeouts, threads),
                                new AdminService(readiness, schedulers),
                                readiness.healthService(),
                                ProtoReflectionServiceV1.newInstance()),
                        config.maxBodyBytes(),
                        memory,
                        threads);
        this.server =
                server(
                        new OpenAiApi(
                                completions,
                                readiness,
                                requests,
                                outcomes,
                                metrics,
                                new TimelineApi(schedulers),
                                new RequestBodies(config.maxBodyBytes(), memory, timeouts.body()),
                                timeouts,
                                threads));
        listen();
        var _ = model.thenRun(this::update);
    }

    private Server server(OpenAiApi http) {
        ServerBuilder builder =
                Server.builder()
                        .port(
                                new InetSocketAddress(config.host(), config.port()),
                                SessionProtocol.HTTP)
                        .workerGroup(EVENT_LOOPS)
                        .errorHandler(new ProtocolErrors())
                        .meterRegistry(new CompositeMeterRegistry())
                        // Streams last as long as they last, and bodies are measured by
                        // RequestBodies.
                        .requestTimeoutMillis(0)
                        .maxRequestLength(0)
                        .gracefulShutdownTimeout(Duration.ZERO, Duration.ZERO);
        return builder.service(rpc).serviceUnder("/", http).build();
    }

    private void listen() {
        try {
            server.start().join();
        } catch (CompletionException e) {
            schedulers.close();
            Throwable cause = e.getCause() == null ? e : e.getCause();
            String reason =
                    cause instanceof BindException || cause instanceof IOException
                            ? String.valueOf(cause.getMessage())
                            : String.valueOf(cause);
            throw new UncheckedIOException(
                    "cannot listen on "
                            + config.host()
                            + ":"
                            + config.port()
                            + ": "
                            + reason
                            + "; choose another --port or --host",
                    new IOException(cause));
        }
    }

    int port() {
        return server.activeLocalPort();
    }

    /// Finds the schedulers of the cluster, and is found in it.
    void join(Cluster cluster) {
        schedulers.follow(cluster.membership());
        Registration made =
                cluster.register(
                        Member.coordinator(reachable(), port(), randomness.nextIncarnation()));
        registration = Optional.of(made);
        readiness.announce(made);
        keyWaiter =
                Optional.of(
                        Thread.ofVirtual()
                                .name("block-hash-key")
                                .start(() -> awaitBlockHashKey(cluster)));
    }

    /// The key comes from ZooKeeper, which serving never waits for.
    private void awaitBlockHashKey(Cluster cluster) {
        while (!Thread.currentThread().isInterrupted()) {
            try {
                schedulers.nameBlocksBy(new BlockHasher(cluster.blockHashKey()));
                return;
            } catch (IllegalStateException e) {
                if (!Thread.currentThread().isInterrupted()) {
                    LOG.info("requests are routed by load alone for now: {}", e.getMessage());
                }
            }
        }
    }

    /// Makes the gRPC services and loads what writes the metrics, now rather than when first asked;
    /// returns at once.
    void prepare() {
        rpc.prepare();
        threads.execute(metrics::text);
    }

    private void update() {
        readiness.update();
    }

    /// Stops, with or without letting requests finish; interrupted, it hurries.
    void stop(StopReason reason) {
        requests.drain();
        readiness.update();
        try {
            if (reason.drains()) {
                requests.awaitEmpty();
            }
        } catch (InterruptedException e) {
            LOG.info("no time left to drain");
        }
        requests.stopAll(
                ApiError.unavailable(
                        "shutting_down", "this coordinator is stopping", Duration.ofSeconds(1)));
        try {
            requests.awaitEmpty(LAST_WORDS);
            Thread.sleep(FLUSH);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        registration.ifPresent(Registration::close);
        keyWaiter.ifPresent(Thread::interrupt);
        schedulers.close();
        var _ = server.stop();
        threads.shutdownNow();
    }

    private String reachable() {
        try {
            boolean any = InetAddress.getByName(config.host()).isAnyLocalAddress();
            return any ? InetAddress.getLocalHost().getHostAddress() : config.host();
        } catch (IOException e) {
            return config.host();
        }
    }
}
