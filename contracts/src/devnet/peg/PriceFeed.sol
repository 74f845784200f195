// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface IAggregator {
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// @notice What stands behind a price feed: the answers of its oracle network, with its own round ids.
/// @dev A real network answers at least once a heartbeat, whether the price moved or not. Here nobody has to send those
/// rounds: they are read out of the clock, also after a warp. Frozen, the feed stays at its last round for ever.
contract PriceAggregator is IAggregator {
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    error Frozen();
    error NotTransmitter();
    error OnDevnetOnly();

    struct Round {
        uint80 id;
        int256 answer;
        uint256 at;
    }

    address public immutable transmitter;
    uint256 public immutable heartbeat;
    uint8 public immutable decimals;
    string public description;
    bool public frozen;
    Round private _last;

    constructor(address transmitter_, uint256 heartbeat_, uint8 decimals_, string memory description_, int256 first) {
        (transmitter, heartbeat, decimals, description) = (transmitter_, heartbeat_, decimals_, description_);
        _last = Round(1, first, block.timestamp);
    }

    /// @notice A new answer before the heartbeat is over: the price left the deviation band.
    function transmit(int256 answer) external {
        if (msg.sender != transmitter) revert NotTransmitter();
        if (frozen) revert Frozen();
        _last = Round(_now().id + 1, answer, block.timestamp);
        emit AnswerUpdated(answer, _last.id, block.timestamp);
    }

    /// @notice Drills only: the network stops answering, or answers again.
    function devFreeze(bool freeze) external {
        if (block.chainid != 31337) revert OnDevnetOnly();
        // A feed that comes back answers at once.
        if (freeze != frozen) _last = freeze ? _now() : Round(_last.id + 1, _last.answer, block.timestamp);
        frozen = freeze;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _now();
        return (round.id, round.answer, round.at, round.at, round.id);
    }

    function _now() private view returns (Round memory round) {
        round = _last;
        if (frozen) return round;
        uint256 beats = (block.timestamp - round.at) / heartbeat;
        // forge-lint: disable-next-line(unsafe-typecast)
        round.id += uint80(beats);
        round.at += beats * heartbeat;
    }
}

/// @notice The address that readers know. The aggregator behind it can be replaced; the phase in the upper bits of a
/// round id tells so.
contract PriceFeedProxy is IAggregator {
    error NotOwner();
    error NotProposed();

    address public immutable owner;
    uint16 public phaseId = 1;
    address public aggregator;
    address public proposedAggregator;

    constructor(address owner_, address aggregator_) {
        (owner, aggregator) = (owner_, aggregator_);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    function proposeAggregator(address proposed) external onlyOwner {
        proposedAggregator = proposed;
    }

    function confirmAggregator(address proposed) external onlyOwner {
        if (proposed == address(0) || proposed != proposedAggregator) revert NotProposed();
        (aggregator, proposedAggregator) = (proposed, address(0));
        phaseId++;
    }

    function decimals() external view returns (uint8) {
        return IAggregator(aggregator).decimals();
    }

    function description() external view returns (string memory) {
        return IAggregator(aggregator).description();
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        (roundId, answer, startedAt, updatedAt, answeredInRound) = IAggregator(aggregator).latestRoundData();
        roundId |= uint80(phaseId) << 64;
        answeredInRound |= uint80(phaseId) << 64;
    }
}
