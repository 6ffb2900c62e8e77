// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Registration;
import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import io.grpc.BindableService;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The readiness of this coordinator, published to HTTP probes, gRPC health checks and the cluster.
/// Safe for any thread.
final class Readiness {
    private static final Logger LOG = LogManager.getLogger(Readiness.class);

    private static final String NO_GROUP = "no group is ready";

    private final CompletionFactory completions;
    private final SchedulerClient schedulers;
    private final HealthStatusManager health = new HealthStatusManager();

    // Guarded by this.
    private Optional<Registration> registration = Optional.empty();
    private String lastObstacle = "starting";
    private boolean leaving;
    private boolean drained;

    Readiness(CompletionFactory completions, SchedulerClient schedulers) {
        this.completions = completions;
        this.schedulers = schedulers;
        health.setStatus("", ServingStatus.NOT_SERVING);
        health.setStatus(InferenceService.NAME, ServingStatus.NOT_SERVING);
    }

    BindableService healthService() {
        return health.getHealthService();
    }

    /// Returns why this coordinator cannot serve, or an empty text if it can, for everyone: without
    /// the processes, addresses and files of the cluster. Does not block.
    String publicObstacle() {
        String obstacle = obstacle();
        return obstacle.startsWith(NO_GROUP) ? NO_GROUP : obstacle;
    }

    /// Returns why this coordinator cannot serve, or an empty text if it can, for its operator;
    /// does not block.
    synchronized String obstacle() {
        if (leaving || drained) {
            return leaving ? "this coordinator is stopping" : "this coordinator is drained";
        }
        if (!completions.isLoaded()) {
            return "the tokenizer is being loaded";
        }
        String model = completions.model().name();
        if (!schedulers.ready(model).isEmpty()) {
            return "";
        }
        List<GroupView> groups = schedulers.groups();
        return groups.isEmpty()
                ? "no scheduler has announced itself"
                : NO_GROUP
                        + ": "
                        + groups.stream()
                                .map(group -> obstacle(group, model))
                                .distinct()
                                .collect(Collectors.joining("; "));
    }

    private static String obstacle(GroupView group, String model) {
        String name = group.status().getGroup() + ": ";
        return group.ready()
                ? name + "it serves " + group.status().getModel() + ", not " + model
                : name + group.status().getReason();
    }

    /// Keeps the state of this registration up to date.
    void announce(Registration registered) {
        synchronized (this) {
            if (leaving) {
                registered.close();
                return;
            }
            registration = Optional.of(registered);
        }
        update();
    }

    /// Makes this coordinator not ready for good, and takes it out of the cluster.
    void leave() {
        synchronized (this) {
            if (leaving) {
                return;
            }
            leaving = true;
            registration.ifPresent(Registration::close);
            registration = Optional.empty();
        }
        health.enterTerminalState();
        update();
    }

    /// Makes this coordinator not ready, or ends that.
    void drain(boolean wanted) {
        synchronized (this) {
            drained = wanted;
        }
        update();
    }

    synchronized boolean isDrained() {
        return leaving || drained;
    }

    /// Determines the readiness again, and publishes it if it has changed.
    synchronized void update() {
        String obstacle = obstacle();
        boolean ready = obstacle.isEmpty();
        Member.State state = ready ? Member.State.READY : Member.State.STARTING;
        registration
                .filter(each -> each.member().state() != state)
                .ifPresent(each -> each.update(each.member().withState(state)));
        if (obstacle.equals(lastObstacle)) {
            return;
        }
        if (ready || lastObstacle.isEmpty()) {
            LOG.info("{}", ready ? "ready" : "not ready: " + obstacle);
        }
        lastObstacle = obstacle;
        ServingStatus status = ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus("", status);
        health.setStatus(InferenceService.NAME, status);
    }
}
