// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.SessionProtocol;
import com.linecorp.armeria.server.Server;
import com.linecorp.armeria.server.ServerBuilder;
import dev.lockstep.cluster.AnnouncedHost;
import dev.lockstep.cluster.BlockHasher;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Failpoint;
import dev.lockstep.cluster.process.Failpoints;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.coordinator.journal.Journal;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A running coordinator: one port for HTTP and gRPC, and the connections to the schedulers.
///
/// It listens once it is constructed, and responds with 503 until the tokenizer is loaded and a
/// group is ready.
final class Coordinator {
    /// The event loops only move bytes; requests run on virtual threads.
    private static final int EVENT_LOOPS = 2;

    /// The time for streams to end with an error at SIGINT, of the 1.5 s of a quick stop.
    private static final Duration STREAM_END_TIMEOUT = Duration.ofMillis(700);

    /// The longest wait for the compiled constraint of a request: about ten of the costliest.
    private static final Duration CONSTRAINT_TIMEOUT = Duration.ofSeconds(20);

    /// The time for the last bytes to be sent.
    private static final Duration FLUSH_TIME = Duration.ofMillis(100);

    private static final Logger LOG = LogManager.getLogger(Coordinator.class);

    private static final List<Failpoint> FAILPOINTS =
            Stream.of(Completion.FAILPOINTS, Journal.FAILPOINTS).flatMap(List::stream).toList();

    private final CoordinatorConfig config;
    private final SchedulerClient schedulers;
    private final OpenRequests requests = new OpenRequests();
    private final Readiness readiness;
    private final ExecutorService threads =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("request-", 0).factory());
    private final ConstraintCompiler constraints =
            new ConstraintCompiler(
                    Math.clamp(Runtime.getRuntime().availableProcessors() / 4, 1, 4),
                    CONSTRAINT_TIMEOUT);
    private final Metrics metrics;
    private final RpcEndpoint rpc;
    private final Server server;
    private final ThreadProgress progress;
    private final Randomness randomness = Randomness.secure();
    private final String incarnation = randomness.nextIncarnation();
    private final ClientConnections connections = new ClientConnections();
    private final Optional<Journal> journal;
    private final Optional<JournalRecovery> recovery;
    private Optional<Thread> keyWaiter = Optional.empty();

    /// Creates the server and listens.
    ///
    /// @throws UncheckedIOException with one line, when the port is not available
    Coordinator(
            CoordinatorConfig config,
            ClusterAccess access,
            CompletableFuture<ServedModel> model,
            Timeouts timeouts) {
        Failpoints failpoints = Failpoints.parse(config.failpoints(), "coordinator", FAILPOINTS);
        this.config = config;
        this.journal =
                config.journalFolder()
                        .map(
                                folder ->
                                        Journal.open(
                                                DurabilitySettings.FOLDER.name(),
                                                folder,
                                                config.resumeWindow(),
                                                failpoints));
        this.schedulers = new SchedulerClient(Clock.SYSTEM, access, this::update);
        this.metrics = new Metrics(schedulers, requests, journal);
        var environment =
                new Completion.Environment(
                        schedulers,
                        Clock.SYSTEM,
                        failpoints,
                        timeouts.quiet(),
                        timeouts.unanswered(),
                        journal);
        var completions = new CompletionFactory(model, environment, constraints, randomness);
        this.readiness = new Readiness(completions, schedulers);
        var drains = new Drains(schedulers, readiness, requests, connections, incarnation);
        var memory = new RequestMemory(config.maxBodyBytes());
        var responses = new Responses(ResponseStore.open(config.responses()), memory);
        var search = new ResponseSearch(schedulers, journal, timeouts.unanswered().dividedBy(2));
        var resumption = new Resumption(search, responses, metrics, config.resumeWindow());
        var timelines = new TimelineApi(schedulers);
        var inference =
                new InferenceService(completions, requests, metrics, timeouts, resumption, threads);
        this.rpc =
                new RpcEndpoint(
                        List.of(
                                inference,
                                new AdminService(
                                        readiness,
                                        schedulers,
                                        drains,
                                        timelines,
                                        completions,
                                        threads),
                                readiness.healthService(),
                                ProtoReflectionServiceV1.newInstance()),
                        config.maxBodyBytes(),
                        memory,
                        threads);
        var http =
                new OpenAiApi(
                        completions,
                        readiness,
                        requests,
                        metrics,
                        timelines,
                        new RequestBodies(config.maxBodyBytes(), memory, timeouts.body()),
                        responses,
                        search,
                        resumption,
                        timeouts,
                        threads);
        this.recovery =
                journal.map(
                        opened ->
                                new JournalRecovery(
                                        opened,
                                        search,
                                        (response, context, inbox) ->
                                                response.record().getRoute().equals(Resumption.RPC)
                                                        ? inference.unread(response, context, inbox)
                                                        : http.unread(response, context, inbox),
                                        () -> readiness.obstacle().isEmpty(),
                                        Clock.SYSTEM,
                                        config.resumeWindow()));
        this.server = server(http, timeouts);
        listen();
        var threadsToWatch = new ArrayList<Executor>(schedulers.threads());
        server.config().workerGroup().forEach(threadsToWatch::add);
        this.progress = new ThreadProgress(threadsToWatch);
        var _ = model.thenRun(this::update);
    }

    private Server server(OpenAiApi http, Timeouts timeouts) {
        ServerBuilder builder = builder();
        VanishedClients.watchAll(builder);
        var gate =
                new AccessGate(
                        config.access(),
                        timeouts,
                        headers -> HttpExchange.requestId(headers, randomness));
        return builder.service(rpc, gate::guard).serviceUnder("/", gate.guard(http)).build();
    }

    private ServerBuilder builder() {
        return Server.builder()
                .port(
                        new InetSocketAddress(config.access().host(), config.port()),
                        SessionProtocol.HTTP)
                .workerGroup(EVENT_LOOPS)
                .childChannelPipelineCustomizer(connections::prepare)
                .absoluteUriTransformer(Coordinator::path)
                .errorHandler(new ProtocolErrors())
                .meterRegistry(new CompositeMeterRegistry())
                // The duration of streams is unlimited, and RequestBodies limits bodies.
                .requestTimeoutMillis(0)
                .idleTimeout(config.keepAlive())
                // The host of a request of HTTP/1.0 without a Host header.
                .defaultHostname("localhost")
                .maxRequestLength(0)
                .gracefulShutdownTimeout(Duration.ZERO, Duration.ZERO);
    }

    /// Returns the path of a request target in absolute form, `http://host/path`.
    private static String path(String absolute) {
        int authority = absolute.indexOf("://") + 3;
        int path = authority;
        while (path < absolute.length() && "/?#".indexOf(absolute.charAt(path)) < 0) {
            path++;
        }
        String rest = absolute.substring(path);
        return rest.startsWith("/") ? rest : "/" + rest;
    }

    private void listen() {
        try {
            server.start().join();
        } catch (CompletionException e) {
            schedulers.close();
            journal.ifPresent(Journal::close);
            Throwable cause = e.getCause() == null ? e : e.getCause();
            String reason =
                    cause instanceof BindException || cause instanceof IOException
                            ? String.valueOf(cause.getMessage())
                            : String.valueOf(cause);
            throw new UncheckedIOException(
                    "cannot listen on "
                            + config.access().host()
                            + ":"
                            + config.port()
                            + ": "
                            + reason
                            + "; choose another --port or --host",
                    new IOException(cause));
        }
    }

    /// Returns how long a connection without a request stays open.
    Duration idleTimeout() {
        return Duration.ofMillis(server.config().idleTimeoutMillis());
    }

    int port() {
        return server.activeLocalPort();
    }

    /// Returns the state of this process, for whoever looks for a fault.
    CoordinatorFacts facts() {
        return new CoordinatorFacts(
                readiness.obstacle(),
                readiness.isDrained(),
                schedulers.groups().stream().map(CoordinatorFacts.GroupFacts::of).toList(),
                requests.facts());
    }

    /// Returns a number that changes while all threads move that connections depend on.
    long rounds() {
        return progress.rounds();
    }

    /// Follows the schedulers of the cluster, and registers this coordinator in it.
    void join(Cluster cluster) {
        schedulers.follow(cluster.membership());
        Registration registered =
                cluster.register(Member.coordinator(announcedHost(), port(), incarnation));
        readiness.announce(registered);
        recovery.ifPresent(each -> each.start(threads));
        keyWaiter =
                Optional.of(
                        Thread.ofVirtual()
                                .name("block-hash-key")
                                .start(() -> awaitBlockHashKey(cluster)));
    }

    /// Waits for the key, which is in ZooKeeper; serving never waits for ZooKeeper.
    private void awaitBlockHashKey(Cluster cluster) {
        while (!Thread.currentThread().isInterrupted()) {
            try {
                schedulers.setBlockHasher(new BlockHasher(cluster.blockHashKey()));
                return;
            } catch (IllegalStateException e) {
                if (!Thread.currentThread().isInterrupted()) {
                    LOG.info("requests are routed by load alone for now: {}", e.getMessage());
                }
            }
        }
    }

    /// Creates the gRPC services and loads the classes that write the metrics, so that the first
    /// requests need not wait; returns at once.
    void warmUp() {
        rpc.warmUp();
        threads.execute(metrics::text);
    }

    private void update() {
        readiness.update();
    }

    /// Stops, with or without waiting for requests to finish; an interrupt ends the waiting.
    ///
    /// @return false if it waited for requests, and they did not finish
    boolean stop(StopReason reason) {
        readiness.leave();
        if (reason.drains()) {
            drain();
        }
        requests.drain();
        recovery.ifPresent(JournalRecovery::close);
        boolean finished = !reason.drains() || requests.count() == 0;
        requests.stopAll(
                reason.drains()
                        ? OpenRequests.draining()
                        : ApiError.unavailable("shutting_down", "this coordinator is stopping"));
        try {
            requests.awaitEmpty(STREAM_END_TIMEOUT);
            Thread.sleep(FLUSH_TIME);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        keyWaiter.ifPresent(Thread::interrupt);
        schedulers.close();
        var _ = server.stop();
        threads.shutdownNow();
        constraints.close();
        journal.ifPresent(Journal::close);
        return finished;
    }

    /// Serves on for the grace, then accepts nothing new and waits for the open requests.
    private void drain() {
        connections.leave();
        try {
            Thread.sleep(grace());
            requests.drain();
            connections.close();
            requests.awaitEmpty(config.drainTimeout());
        } catch (InterruptedException e) {
            LOG.info("no time left to drain");
        }
    }

    /// Returns how long load balancers get to notice that this coordinator is not ready. Where no
    /// other is ready, they have nowhere to send the requests to.
    private Duration grace() {
        boolean another =
                schedulers.members().members(Member.Role.COORDINATOR).stream()
                        .anyMatch(
                                member ->
                                        member.ready()
                                                && !member.incarnation().equals(incarnation));
        return config.drainGrace().orElse(another ? ProcessKeys.USUAL_DRAIN_GRACE : Duration.ZERO);
    }

    private String announcedHost() {
        try {
            return AnnouncedHost.of(config.access().host());
        } catch (IOException e) {
            return config.access().host();
        }
    }
}
