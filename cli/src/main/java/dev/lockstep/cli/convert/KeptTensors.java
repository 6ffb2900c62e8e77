// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.FusedExperts;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.cli.console.UnusableException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The tensors that stay as they are: vectors, the taps of convolutions, what decides about experts
/// and positions, layers after pooling, and those that a user names.
///
/// @param patterns of names, with `*` for any characters
record KeptTensors(List<String> patterns) implements Predicate<WeightMatrix> {
    private static final Pattern EXACT =
            Pattern.compile(
                    "(.*\\.)?("
                            + "gate|router|router\\.layer|router\\.proj|modality_router"
                            + "|wpe|position_embeddings|token_type_embeddings"
                            + "|conv1d|conv\\.conv"
                            + "|dense_[23]|pooler\\.dense|classifier\\.dense|pre_classifier|head\\.dense"
                            + ")\\.weight|.*[._]bias");

    @Override
    public boolean test(WeightMatrix matrix) {
        return reason(matrix).isPresent();
    }

    /// Returns what tensors that stay as a matrix does have in common; empty if it does not stay.
    Optional<String> reason(WeightMatrix matrix) {
        if (matrix.columns() == 1 || matrix.rows() == 1) {
            return Optional.of("vectors");
        }
        if (EXACT.matcher(matrix.name()).matches()) {
            return Optional.of("routers, positions and others that are kept exact");
        }
        return isNamed(matrix.name()) ? Optional.of("named by --keep") : Optional.empty();
    }

    /// Returns whether a pattern names a tensor, or the one of all experts from which it is taken.
    private boolean isNamed(String name) {
        return patterns.stream()
                .map(KeptTensors::glob)
                .anyMatch(
                        glob ->
                                Stream.concat(
                                                Stream.of(name),
                                                FusedExperts.fusedNames(name).stream())
                                        .anyMatch(each -> Pattern.matches(glob, each)));
    }

    /// Refuses patterns that name no tensor.
    void requireMatches(Path source) {
        Set<String> names = Checkpoint.open(source).tensorNames();
        for (String pattern : patterns) {
            Pattern glob = Pattern.compile(glob(pattern));
            if (names.stream().noneMatch(name -> glob.matcher(name).matches())) {
                throw new UnusableException(
                        "--keep=%s names no tensor of %s".formatted(pattern, source));
            }
        }
    }

    private static String glob(String pattern) {
        return "\\Q" + pattern.replace("*", "\\E.*\\Q") + "\\E";
    }
}
