// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import javax.security.auth.login.AppConfigurationEntry;
import javax.security.auth.login.Configuration;
import org.apache.zookeeper.server.auth.DigestLoginModule;
import org.jspecify.annotations.Nullable;

/// The SASL users of the ZooKeeper clients and servers in this process, for which ZooKeeper asks
/// Java's login configuration. They are kept in memory, not in a file.
final class ZooKeeperLogins extends Configuration {
    private static final ZooKeeperLogins INSTALLED = install();

    private final Map<String, AppConfigurationEntry> sections = new ConcurrentHashMap<>();
    private final AtomicInteger count = new AtomicInteger();

    private static ZooKeeperLogins install() {
        var logins = new ZooKeeperLogins();
        Configuration.setConfiguration(logins);
        return logins;
    }

    /// Returns the name of a new section for a client that logs in as this user.
    static String client(ZooKeeperAuth auth) {
        return INSTALLED.add(Map.of("username", auth.user(), "password", auth.password()));
    }

    /// Returns the name of a new section for a server that admits this user.
    static String server(ZooKeeperAuth auth) {
        return INSTALLED.add(Map.of("user_" + auth.user(), auth.password()));
    }

    private String add(Map<String, String> options) {
        String section = "lockstep-" + count.incrementAndGet();
        sections.put(
                section,
                new AppConfigurationEntry(
                        DigestLoginModule.class.getName(),
                        AppConfigurationEntry.LoginModuleControlFlag.REQUIRED,
                        options));
        return section;
    }

    @Override
    public AppConfigurationEntry @Nullable [] getAppConfigurationEntry(String section) {
        AppConfigurationEntry entry = sections.get(section);
        return entry == null ? null : new AppConfigurationEntry[] {entry};
    }
}
