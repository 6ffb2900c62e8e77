// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Sha256;
import java.util.regex.Pattern;

/// Whose a stored response is: that of one tenant with one API key. Nobody else finds it.
///
/// @param name 64 hexadecimal digits, from which neither can be read
record ResponseOwner(String name) {
    private static final Pattern NAME = Pattern.compile("[0-9a-f]{64}");

    ResponseOwner {
        if (!isName(name)) {
            throw new IllegalArgumentException("\"" + name + "\" is not the name of an owner");
        }
    }

    static boolean isName(String text) {
        return NAME.matcher(text).matches();
    }

    /// @param credential what the client sent to prove itself, checked or not; empty for nothing
    static ResponseOwner of(String tenant, String credential) {
        return new ResponseOwner(Sha256.hex(Sha256.hex(tenant) + Sha256.hex(credential)));
    }
}
