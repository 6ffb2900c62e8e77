// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/// The kernels' sources in this jar.
public final class KernelSources {
    private static final Pattern INCLUDE = Pattern.compile("(?m)^#include \"([^\"]+)\"");

    private KernelSources() {}

    /// Returns a program such as `rms_norm.cu`, with all headers that it includes.
    public static KernelSource of(String file) {
        String text = text(file);
        var headers = new LinkedHashMap<String, String>();
        include(text, headers);
        return new KernelSource(file, text, headers);
    }

    private static void include(String text, Map<String, String> headers) {
        for (MatchResult include : INCLUDE.matcher(text).results().toList()) {
            String header = include.group(1);
            if (!headers.containsKey(header)) {
                headers.put(header, text(header));
                include(headers.get(header), headers);
            }
        }
    }

    private static String text(String file) {
        try (InputStream source = KernelSources.class.getResourceAsStream("/cuda/" + file)) {
            if (source == null) {
                throw new IllegalArgumentException("no CUDA source " + file);
            }
            return new String(source.readAllBytes(), UTF_8);
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot read the CUDA source " + file, failure);
        }
    }
}
