// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.cluster.process.Sha256;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// The header, or the gRPC metadata, by which a client repeats a request.
final class IdempotencyKey {
    static final String NAME = "idempotency-key";

    private static final Pattern FORM = Pattern.compile("[ -~]{1,128}");

    private IdempotencyKey() {}

    /// Returns whether a request has a key, valid or not.
    static boolean isIn(RequestHeaders headers) {
        return headers.contains(NAME);
    }

    /// Returns a digest of the key of a request: the key itself is the client's.
    static Optional<String> of(RequestHeaders headers) {
        List<String> all = headers.getAll(NAME);
        if (all.isEmpty()) {
            return Optional.empty();
        }
        if (all.size() > 1) {
            throw ApiError.invalid(
                    NAME, NAME + " is given " + all.size() + " times, at most 1 is accepted");
        }
        String key = all.getFirst();
        if (!FORM.matcher(key).matches()) {
            throw ApiError.invalid(
                    NAME,
                    NAME
                            + " has "
                            + key.length()
                            + " characters, it must have 1 to 128, which are printable ASCII");
        }
        return Optional.of(Sha256.hex(key));
    }
}
