// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Calls several managers in order; frees in the reverse order.
final class ResourceManagers implements ResourceManager {
    private final List<ResourceManager> all;

    ResourceManagers(List<ResourceManager> all) {
        this.all = List.copyOf(all);
    }

    @Override
    public void prepareResources(StepPlan plan) {
        all.forEach(each -> each.prepareResources(plan));
    }

    @Override
    public void updateResources(StepPlan plan) {
        all.forEach(each -> each.updateResources(plan));
    }

    @Override
    public void freeResources(Sequence sequence) {
        all.reversed().forEach(each -> each.freeResources(sequence));
    }

    @Override
    public void checkIntegrity(Iterable<Sequence> running) {
        all.forEach(each -> each.checkIntegrity(running));
    }
}
