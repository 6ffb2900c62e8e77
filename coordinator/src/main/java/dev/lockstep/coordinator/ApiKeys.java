// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.Sha256;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
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

    public static final Key<String> ADMIN_KEY =
            Key.secret(
                    "admin-key", "KEY", "the key that may also change the cluster: drain, resize");

    /// The header of Anthropic's API, which stands for `Authorization`.
    static final String HEADER = "x-api-key";

    private static final String SCHEME = "bearer ";
    private static final Pattern KEY = Pattern.compile("[!-~]+");

    private final List<byte[]> hashes;
    private final Optional<byte[]> admin;

    private ApiKeys(List<byte[]> hashes, Optional<byte[]> admin) {
        this.hashes = hashes;
        this.admin = admin;
    }

    static ApiKeys of(Settings settings) {
        return new ApiKeys(
                read(settings).stream().map(Sha256::of).toList(),
                settings.find(ADMIN_KEY).map(key -> Sha256.of(require("--admin-key", key))));
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

    /// Whether every request is accepted; an admin key may be set.
    boolean isEmpty() {
        return hashes.isEmpty();
    }

    boolean hasAdminKey() {
        return admin.isPresent();
    }

    boolean isAdminKey(String key) {
        return admin.filter(hash -> MessageDigest.isEqual(hash, Sha256.of(key))).isPresent();
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

    /// Returns whether a text is one of the keys, or the admin key. The time does not depend on how
    /// much of a key is right.
    boolean acceptsKey(String key) {
        byte[] hash = Sha256.of(key);
        boolean found = isAdminKey(key);
        for (byte[] each : hashes) {
            found |= MessageDigest.isEqual(each, hash);
        }
        return found;
    }
}
