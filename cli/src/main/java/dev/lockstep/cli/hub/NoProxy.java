// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The hosts that are reached without a proxy: those that `NO_PROXY` lists, and this host.
final class NoProxy {
    private static final String ALL = "*";
    private static final Pattern FORM =
            Pattern.compile("(?:\\*?\\.)?(?:\\[([^]]+)]|([^:]+)|(.*:.*:.*))(?::([0-9]{1,5}))?");
    private static final Pattern LOOPBACK =
            Pattern.compile("localhost|.*\\.localhost|127(\\.[0-9]{1,3}){3}|(0*:)+0*1");

    private final List<Entry> entries;

    private NoProxy(List<Entry> entries) {
        this.entries = entries;
    }

    /// A host and its subdomains, on one port or on all ports.
    private record Entry(String host, Optional<Integer> port) {
        static Optional<Entry> parse(String text) {
            if (text.equals(ALL)) {
                return Optional.of(new Entry(ALL, Optional.empty()));
            }
            Matcher form = FORM.matcher(text);
            if (!form.matches()) {
                return Optional.empty();
            }
            String host =
                    Optional.ofNullable(form.group(1))
                            .or(() -> Optional.ofNullable(form.group(2)))
                            .orElseGet(() -> form.group(3));
            return Optional.of(
                    new Entry(host, Optional.ofNullable(form.group(4)).map(Integer::valueOf)));
        }

        boolean covers(String other, int otherPort) {
            boolean sameHost = host.equals(ALL) || other.equals(host) || other.endsWith("." + host);
            return sameHost && port.filter(it -> it != otherPort).isEmpty();
        }
    }

    /// Parses a list separated by commas or spaces, of `host`, `.domain` and `*.domain`, each with
    /// or without `:port`, and `*` for all. Ignores any other entry.
    static NoProxy parse(String list) {
        return new NoProxy(
                Arrays.stream(list.toLowerCase(Locale.ROOT).split("[,\\s]+", -1))
                        .flatMap(text -> Entry.parse(text).stream())
                        .toList());
    }

    boolean covers(URI uri) {
        String host =
                Optional.ofNullable(uri.getHost())
                        .orElse("")
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[\\[\\]]", "");
        int defaultPort = "https".equals(uri.getScheme()) ? 443 : 80;
        int port = uri.getPort() < 0 ? defaultPort : uri.getPort();
        return LOOPBACK.matcher(host).matches()
                || entries.stream().anyMatch(entry -> entry.covers(host, port));
    }
}
