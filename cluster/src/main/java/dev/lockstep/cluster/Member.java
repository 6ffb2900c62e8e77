// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ClusterName;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// One process as it announces itself to the others.
///
/// The content is a hint: its reader connects, and the handshake compares the incarnation. Nothing
/// about single requests belongs here.
///
/// @param role the kind of process
/// @param group the group it belongs to; empty for a coordinator, which serves all of them
/// @param rank `[0, size)` for a worker, else 0
/// @param size number of ranks of the group for a worker, else 1
/// @param address where other processes reach it
/// @param state requests are routed only to [State#READY]
/// @param incarnation 32 hexadecimal digits, new for each start of the process
///   (`Randomness#nextIncarnation`) and kept across lost ZooKeeper sessions: the process and its
///   content are still the same
/// @param pid process id on its host, for people and for tests
/// @param attributes few and short: model name, digest, build
public record Member(
        Role role,
        String group,
        int rank,
        int size,
        MemberAddress address,
        State state,
        String incarnation,
        long pid,
        Map<String, String> attributes) {

    /// The size limit as JSON: ZooKeeper holds a member in memory on every server and sends it
    /// whole on every change.
    public static final int MAX_BYTES = 1024;

    /// The attribute of a scheduler with the number of ranks that it serves with.
    public static final String RANKS = "ranks";

    private static final Pattern INCARNATION = Pattern.compile("[0-9a-f]{32}");

    public enum Role {
        COORDINATOR,
        SCHEDULER,
        WORKER;

        /// Returns the word used in paths, logs and metrics.
        public String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public enum State {
        /// Alive and announced with address and attributes, but not serving yet.
        STARTING,
        READY
    }

    public Member {
        if (role != Role.COORDINATOR) {
            ClusterName.require(group, "group");
        } else if (!group.isEmpty()) {
            throw new IllegalArgumentException(
                    "a coordinator belongs to no group, got \"" + group + "\"");
        }
        if (size < 1 || rank < 0 || rank >= size) {
            throw new IllegalArgumentException("rank " + rank + " is outside [0, " + size + ")");
        }
        if (!INCARNATION.matcher(incarnation).matches()) {
            throw new IllegalArgumentException(
                    "incarnation \"" + incarnation + "\" is not 32 hexadecimal digits");
        }
        attributes = Map.copyOf(attributes);
    }

    /// Returns a coordinator in state STARTING.
    public static Member coordinator(String host, int port, String incarnation) {
        return starting(Role.COORDINATOR, "", 0, 1, MemberAddress.tcp(host, port), incarnation);
    }

    /// Returns a scheduler of a group in state STARTING.
    public static Member scheduler(String group, MemberAddress address, String incarnation) {
        return starting(Role.SCHEDULER, group, 0, 1, address, incarnation);
    }

    public static Member scheduler(String group, String host, int port, String incarnation) {
        return scheduler(group, MemberAddress.tcp(host, port), incarnation);
    }

    /// Returns a worker of a group in state STARTING.
    public static Member worker(
            String group, int rank, int size, MemberAddress address, String incarnation) {
        return starting(Role.WORKER, group, rank, size, address, incarnation);
    }

    public static Member worker(
            String group, int rank, int size, String host, int port, String incarnation) {
        return worker(group, rank, size, MemberAddress.tcp(host, port), incarnation);
    }

    private static Member starting(
            Role role,
            String group,
            int rank,
            int size,
            MemberAddress address,
            String incarnation) {
        long pid = ProcessHandle.current().pid();
        return new Member(
                role, group, rank, size, address, State.STARTING, incarnation, pid, Map.of());
    }

    public Member withState(State changed) {
        return new Member(role, group, rank, size, address, changed, incarnation, pid, attributes);
    }

    public Member withAttributes(Map<String, String> changed) {
        return new Member(role, group, rank, size, address, state, incarnation, pid, changed);
    }

    public boolean ready() {
        return state == State.READY;
    }

    public Optional<String> attribute(String name) {
        return Optional.ofNullable(attributes.get(name));
    }

    /// Returns a description for logs: `worker default/1 at 127.0.0.1:4711`.
    public String describe() {
        String place = group.isEmpty() ? "" : " " + group + (role == Role.WORKER ? "/" + rank : "");
        return role.word() + place + " at " + address;
    }
}
