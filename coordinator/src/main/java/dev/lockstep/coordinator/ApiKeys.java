// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// The keys that clients must send, kept as hashes; without any, every request is accepted.
/// Immutable.
public final class ApiKeys {
    public static final Key<String> API_KEY =
            Key.secret("api-key", "KEY", "the key that clients must send as a bearer token");

    public static final Key<String> API_KEY_FILE =
            Key.text("api-key-file", "FILE", "further keys for --api-key, one a line");

    /// The header of Anthropic's API, which stands for `Authorization`.
    static final String HEADER = "x-api-key";

    private static final String SCHEME = "bearer ";
    private static final Pattern KEY = Pattern.compile("[!-~]+");

    private final List<byte[]> hashes;

    private ApiKeys(List<byte[]> hashes) {
        this.hashes = hashes;
    }

    static ApiKeys of(Collection<String> keys) {
        return new ApiKeys(keys.stream().map(Sha256::of).toList());
    }

    static ApiKeys of(Settings settings) {
        return of(read(settings));
    }

    /// Returns a key that the coordinator of these settings accepts; empty if it needs none.
    public static Optional<String> any(Settings settings) {
        return read(settings).stream().findFirst();
    }

    private static List<String> read(Settings settings) {
        List<String> keys = new ArrayList<>();
        settings.find(API_KEY).ifPresent(key -> keys.add(require("--api-key", key)));
        settings.find(API_KEY_FILE).ifPresent(file -> keys.addAll(readFile(file)));
        return keys;
    }

    /// Reads the keys of a file; blank lines and those that begin with `#` are no keys.
    private static List<String> readFile(String file) {
        List<String> keys = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(Path.of(file))) {
                String key = line.strip();
                if (!key.isEmpty() && !key.startsWith("#")) {
                    keys.add(require("--api-key-file: " + file, key));
                }
            }
        } catch (IOException e) {
            throw new SettingsException("--api-key-file: file \"" + file + "\" cannot be read");
        }
        if (keys.isEmpty()) {
            throw new SettingsException("--api-key-file: file \"" + file + "\" has no key");
        }
        return keys;
    }

    private static String require(String source, String key) {
        if (!KEY.matcher(key).matches()) {
            throw new SettingsException(
                    source + ": a key must consist of visible ASCII characters, without spaces");
        }
        return key;
    }

    boolean isEmpty() {
        return hashes.isEmpty();
    }

    /// Returns whether the value of an `Authorization` header has one of the keys.
    boolean accepts(String authorization) {
        return isBearer(authorization)
                && acceptsKey(authorization.substring(SCHEME.length()).strip());
    }

    /// Returns what a client sent as its key, right or not; empty if it sent none.
    static String sent(RequestHeaders headers) {
        String authorization = headers.get(HttpHeaderNames.AUTHORIZATION, "");
        return isBearer(authorization)
                ? authorization.substring(SCHEME.length()).strip()
                : headers.get(HEADER, "");
    }

    private static boolean isBearer(String authorization) {
        return authorization.toLowerCase(Locale.ROOT).startsWith(SCHEME);
    }

    /// Returns whether a text is one of the keys. The time does not depend on how much of a key is
    /// right.
    boolean acceptsKey(String key) {
        byte[] hash = Sha256.of(key);
        boolean found = false;
        for (byte[] each : hashes) {
            found |= MessageDigest.isEqual(each, hash);
        }
        return found;
    }
}
