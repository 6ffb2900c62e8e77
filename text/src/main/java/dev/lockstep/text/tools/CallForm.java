// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;
import java.util.Optional;

/// How one call is written.
public sealed interface CallForm {
    /// A JSON object with the name and the arguments under these keys, in any order.
    ///
    /// @param keys all keys in the template's order
    /// @param idKey the key of the call's id, if the template writes the id it was given
    /// @param textArguments whether the arguments are a string that holds JSON
    record JsonCall(
            List<String> keys,
            String nameKey,
            String argumentsKey,
            Optional<String> idKey,
            boolean textArguments)
            implements CallForm {
        public JsonCall {
            keys = List.copyOf(keys);
            if (!keys.contains(nameKey) || !keys.contains(argumentsKey)) {
                throw new IllegalArgumentException(
                        "keys %s lack %s or %s".formatted(keys, nameKey, argumentsKey));
            }
        }
    }

    /// A JSON object whose only key is the name, and whose value is the arguments.
    record NamedJson() implements CallForm {}

    /// Pieces in order, then the arguments.
    record Pieces(List<Piece> head, ArgumentForm arguments) implements CallForm {
        public Pieces {
            head = List.copyOf(head);
            if (head.stream().noneMatch(Piece.Name.class::isInstance)) {
                throw new IllegalArgumentException("a call without the function's name: " + head);
            }
        }
    }
}
