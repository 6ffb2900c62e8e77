// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/// Which choices of each prompt are returned: with `best_of` above `n`, the `n` whose tokens have
/// the highest mean log-probability.
///
/// @param generated the number of choices that are generated of each prompt
/// @param returned the number of them that are returned
record BestOf(int generated, int returned) {
    private static final String FIELD = "best_of";

    static BestOf parse(Fields fields, int returned, boolean stream) {
        int generated = fields.integer(FIELD, 1, SamplingFields.MAX_CHOICES, returned);
        if (generated < returned) {
            throw ApiError.invalid(
                    fields.name(FIELD),
                    "best_of is %d, less than n, which is %d".formatted(generated, returned));
        }
        if (stream && generated > returned) {
            throw ApiError.invalid(
                    fields.name(FIELD),
                    "best_of is %d and n %d: which are best is known at the end only, so stream must be false"
                            .formatted(generated, returned));
        }
        return new BestOf(generated, returned);
    }

    boolean chooses() {
        return generated > returned;
    }

    /// Returns the choices of a prompt that are returned, the best first; all in their order if all
    /// are.
    ///
    /// @param mean the mean log-probability of a choice
    List<Integer> of(int prompt, ToDoubleFunction<Integer> mean) {
        List<Integer> all =
                IntStream.range(prompt * generated, (prompt + 1) * generated).boxed().toList();
        return chooses()
                ? all.stream()
                        .sorted(Comparator.comparingDouble(mean).reversed())
                        .limit(returned)
                        .toList()
                : all;
    }
}
