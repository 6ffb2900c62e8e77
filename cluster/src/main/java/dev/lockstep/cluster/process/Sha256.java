// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// SHA-256 digests.
public final class Sha256 {
    private Sha256() {}

    /// Returns a new digest without input.
    public static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /// Returns the 32 bytes of the digest of a text in UTF-8.
    public static byte[] of(String text) {
        return digest().digest(text.getBytes(StandardCharsets.UTF_8));
    }

    /// Returns these bytes as 64 hexadecimal digits in lower case.
    public static String hex(String text) {
        return HexFormat.of().formatHex(of(text));
    }
}
