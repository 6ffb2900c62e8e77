// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/// Tests of recorded models at 1 to 4 ranks.
final class RankCounts {
    private static final List<Integer> ALL = List.of(1, 2, 3, 4);
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    private RankCounts() {}

    /// Requires something of a model.
    interface Check<M> {
        void require(M model, int ranks) throws Exception;
    }

    /// Returns a test of each model at every number of ranks.
    static <M> Stream<DynamicTest> every(List<M> models, Function<M, String> name, Check<M> check) {
        return tests(models, name, check, true);
    }

    /// Returns a test of each model at one number of ranks, which models take in turns; with
    /// `-Dlockstep.long=true` at every one.
    static <M> Stream<DynamicTest> inTurns(
            List<M> models, Function<M, String> name, Check<M> check) {
        return tests(models, name, check, LONG);
    }

    private static <M> Stream<DynamicTest> tests(
            List<M> models, Function<M, String> name, Check<M> check, boolean every) {
        List<DynamicTest> tests = new ArrayList<>();
        for (int i = 0; i < models.size(); i++) {
            M model = models.get(i);
            for (int ranks : every ? ALL : List.of(ALL.get(i % ALL.size()))) {
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(name.apply(model), ranks),
                                () -> check.require(model, ranks)));
            }
        }
        return tests.stream();
    }
}
