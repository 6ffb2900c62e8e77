// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Comparator;
import java.util.Optional;
import java.util.TreeSet;

/// A user-defined waiting order: the shortest prompt first. It is named in
/// `META-INF/services/dev.lockstep.scheduler.WaitingOrder` and chosen by its name.
public final class ShortestPromptOrder implements WaitingOrder {
    private final TreeSet<Sequence> waiting =
            new TreeSet<>(
                    Comparator.comparingInt(Sequence::promptLength)
                            .thenComparingLong(Sequence::arrival));

    @Override
    public String name() {
        return "shortest-prompt";
    }

    @Override
    public void add(Sequence sequence) {
        waiting.add(sequence);
    }

    @Override
    public void remove(Sequence sequence) {
        waiting.remove(sequence);
    }

    @Override
    public Optional<Sequence> first() {
        return waiting.isEmpty() ? Optional.empty() : Optional.of(waiting.first());
    }
}
