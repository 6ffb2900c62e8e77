// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
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
        return new ResponseOwner(digest(digest(tenant) + digest(credential)));
    }

    private static String digest(String text) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
