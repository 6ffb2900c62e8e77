// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.text.ModelTemplate;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A coordinator process: accepts the requests of clients and sends them to schedulers.
public final class CoordinatorMain {
    private static final Logger LOG = LogManager.getLogger(CoordinatorMain.class);

    private CoordinatorMain() {}

    /// Runs until the daemon stops.
    ///
    /// The tokenizer, the server and the ZooKeeper connection start at the same time, because they
    /// account for most of the start-up time.
    ///
    /// @throws java.io.UncheckedIOException when the port is not available
    /// @throws dev.lockstep.checkpoint.CheckpointException when the tokenizer or the chat template
    ///   of the settings cannot be read
    public static void run(CoordinatorConfig config, ClusterAccess access, Daemon daemon) {
        // Before anything waits for ZooKeeper.
        config.text()
                .chatTemplate()
                .ifPresent(file -> ModelTemplate.ofFile(file, Optional.empty()));
        CompletableFuture<ServedModel> model =
                start(
                        "model-text",
                        () ->
                                ServedModel.load(
                                        config.model(), config.servedModelNames(), config.text()));
        CompletableFuture<Cluster> connecting =
                start(
                        "cluster-connect",
                        () ->
                                ZooKeeperCluster.connect(
                                        config.zookeeper(), config.cluster(), access));
        // From here on a signal closes the connection.
        daemon.atEnd(reason -> connecting.thenAccept(Cluster::close).join());
        var coordinator = new Coordinator(config, access, model, Timeouts.DEFAULT);
        daemon.atEnd(
                reason -> {
                    if (!coordinator.stop(reason)) {
                        daemon.endWith(ExitCode.UNFINISHED);
                    }
                });
        daemon.watch(coordinator::rounds);
        daemon.debugState().add("coordinator", coordinator::facts);
        LOG.info("coordinator listens on {}:{}", config.access().host(), coordinator.port());
        if (config.access().isOpen()) {
            LOG.warn("{}", config.access().warning());
        }
        coordinator.join(await(connecting));
        ServedModel loaded = await(model);
        if (loaded.tokenizer().isEmpty()) {
            LOG.warn("{} has no tokenizer: only prompts of token ids are served", loaded.name());
        }
        if (loaded.chatTemplate() instanceof ModelTemplate.Broken(String fault)) {
            LOG.warn("chats are refused, the chat template is broken: {}", fault);
        }
        coordinator.warmUp();
        daemon.run();
    }

    private static <T> CompletableFuture<T> start(String name, Supplier<T> work) {
        Executor thread = task -> Thread.ofPlatform().daemon().name(name).start(task);
        return CompletableFuture.supplyAsync(work, thread);
    }

    private static <T> T await(CompletableFuture<T> work) {
        try {
            return work.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }
}
