// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.Joined;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The token of the canary step for each shape of the group, from its first formation in this
/// scheduler on: the same weights give it again after any formation.
///
/// The first one may have been the wrong one. So two sets of processes that agree with each other
/// outvote it. Belongs to the thread of [GroupKeeper].
final class KnownCanary {
    private static final Logger LOG = LogManager.getLogger(KnownCanary.class);

    private final Map<Shape, Integer> tokens = new HashMap<>();
    private final Map<Shape, Doubt> doubts = new HashMap<>();

    /// What the token depends on: ranks add in another order if they are more.
    private record Shape(
            int ranks, String modelDigest, String settingsDigest, String instructionSet) {
        static Shape of(List<Joined> joined) {
            Joined first = joined.getFirst();
            return new Shape(
                    joined.size(),
                    first.getModelDigest(),
                    first.getSettingsDigest(),
                    first.getInstructionSet());
        }

        boolean isSameModel(Shape other) {
            return modelDigest.equals(other.modelDigest);
        }
    }

    private record Doubt(int token, List<String> incarnations) {}

    /// Returns what is wrong in the answer of ranks that have formed a group.
    Optional<WrongResult> check(List<Joined> joined, CanaryAnswer found) {
        Optional<WrongResult> differs =
                WrongResult.ofChecksums("the checksum of the first canary step", found.checksums());
        if (differs.isPresent()) {
            return differs;
        }
        var shape = Shape.of(joined);
        Integer known = tokens.get(shape);
        if (known == null) {
            compareWithOtherShapes(shape, found.token());
        } else if (known != found.token() && !isConfirmed(shape, joined, found.token())) {
            return Optional.of(
                    WrongResult.ofAll(
                            found,
                            "the first canary step gave token %d, known is %d"
                                    .formatted(found.token(), known)));
        }
        tokens.put(shape, found.token());
        doubts.remove(shape);
        return Optional.empty();
    }

    private boolean isConfirmed(Shape shape, List<Joined> joined, int token) {
        List<String> incarnations = joined.stream().map(Joined::getIncarnation).toList();
        Doubt earlier = doubts.put(shape, new Doubt(token, incarnations));
        boolean confirmed =
                earlier != null
                        && earlier.token == token
                        && Collections.disjoint(earlier.incarnations, incarnations);
        if (confirmed) {
            LOG.warn(
                    "two sets of processes gave canary token {}, which is the known one now",
                    token);
        }
        return confirmed;
    }

    private void compareWithOtherShapes(Shape shape, int token) {
        tokens.forEach(
                (other, known) -> {
                    if (other.isSameModel(shape) && known != token) {
                        LOG.warn(
                                "the canary token is {} with {}, {} with {}: close logits, or wrong results",
                                token,
                                shape,
                                known,
                                other);
                    }
                });
    }
}
