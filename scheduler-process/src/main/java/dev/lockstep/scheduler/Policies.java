// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.process.Nearest;
import dev.lockstep.cluster.process.SettingsException;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.Function;
import java.util.function.Supplier;

/// The policies of a scheduler, by name; each group gets new instances.
///
/// @param tenantWeights for the fair order; 1 for tenants it does not name
public record Policies(
        String capacity,
        String microBatch,
        String waitingOrder,
        Map<String, Double> tenantWeights,
        boolean prefixCache) {

    public static final Policies DEFAULT =
            new Policies("maximum-utilization", "fcfs", "fcfs", Map.of(), true);

    /// Throws when a policy name is unknown.
    public Policies {
        tenantWeights = Map.copyOf(tenantWeights);
        requireKnown(
                "--capacity", capacity, names(CapacityScheduler.class, CapacityScheduler::name));
        requireKnown(
                "--micro-batch",
                microBatch,
                names(MicroBatchScheduler.class, MicroBatchScheduler::name));
        requireKnown(
                "--waiting-order", waitingOrder, names(WaitingOrder.class, WaitingOrder::name));
    }

    CapacityScheduler newCapacity() {
        return make(CapacityScheduler.class, CapacityScheduler::name, capacity);
    }

    MicroBatchScheduler newMicroBatch() {
        return make(MicroBatchScheduler.class, MicroBatchScheduler::name, microBatch);
    }

    WaitingOrder newWaitingOrder() {
        return make(WaitingOrder.class, WaitingOrder::name, waitingOrder);
    }

    double weight(String tenant) {
        return tenantWeights.getOrDefault(tenant, 1.0);
    }

    private static <T> List<String> names(Class<T> type, Function<T, String> name) {
        return ServiceLoader.load(type).stream().map(Supplier::get).map(name).toList();
    }

    private static <T> T make(Class<T> type, Function<T, String> name, String wanted) {
        return ServiceLoader.load(type).stream()
                .map(Supplier::get)
                .filter(each -> name.apply(each).equals(wanted))
                .findFirst()
                .orElseThrow();
    }

    private static void requireKnown(String key, String name, List<String> known) {
        if (!known.contains(name)) {
            String near =
                    Nearest.of(name, known).map(one -> "; did you mean " + one + "?").orElse("");
            throw new SettingsException(
                    "%s: \"%s\" is none of %s%s"
                            .formatted(key, name, String.join(", ", known), near));
        }
    }
}
