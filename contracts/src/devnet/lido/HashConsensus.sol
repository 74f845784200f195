// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IReportProcessor} from "./Interfaces.sol";
import {Roles} from "./Roles.sol";

/// @notice Devnet stand-in of the oracle committee: members vote for a hash per frame; a quorum makes consensus.
/// Frames are those of lido.md 3.1: the reference slot is the last slot before the frame, the deadline is the next one's.
contract HashConsensus is Roles {
    event ReportReceived(uint256 indexed refSlot, address indexed member, bytes32 report);
    event ConsensusReached(uint256 indexed refSlot, bytes32 report, uint256 support);
    event ConsensusLost(uint256 indexed refSlot);
    event MemberAdded(address indexed addr, uint256 newTotalMembers, uint256 newQuorum);
    event MemberRemoved(address indexed addr, uint256 newTotalMembers, uint256 newQuorum);
    event QuorumSet(uint256 newQuorum, uint256 totalMembers, uint256 prevQuorum);
    event FrameConfigSet(uint256 newInitialEpoch, uint256 newEpochsPerFrame);
    event FastLaneConfigSet(uint256 fastLaneLengthSlots);
    event ReportProcessorSet(address indexed processor, address indexed prevProcessor);

    error InitialEpochIsYetToArrive();
    error StaleReport();
    error InvalidSlot();
    error EmptyReport();
    error DuplicateReport();
    error NonMember();
    error NonFastLaneMemberCannotReportWithinFastLaneInterval();
    error ConsensusReportAlreadyProcessing();
    error UnexpectedConsensusVersion(uint256 expected, uint256 received);
    error DuplicateMember();
    error QuorumTooSmall(uint256 minQuorum, uint256 receivedQuorum);
    error EpochsPerFrameCannotBeZero();
    error FastLanePeriodCannotBeLongerThanFrame();
    error ReportProcessorCannotBeZero();

    bytes32 public constant MANAGE_MEMBERS_AND_QUORUM_ROLE = keccak256("MANAGE_MEMBERS_AND_QUORUM_ROLE");
    bytes32 public constant DISABLE_CONSENSUS_ROLE = keccak256("DISABLE_CONSENSUS_ROLE");
    bytes32 public constant MANAGE_FRAME_CONFIG_ROLE = keccak256("MANAGE_FRAME_CONFIG_ROLE");
    bytes32 public constant MANAGE_FAST_LANE_CONFIG_ROLE = keccak256("MANAGE_FAST_LANE_CONFIG_ROLE");
    bytes32 public constant MANAGE_REPORT_PROCESSOR_ROLE = keccak256("MANAGE_REPORT_PROCESSOR_ROLE");

    uint256 private constant UNREACHABLE_QUORUM = type(uint256).max;

    struct ChainConfig {
        uint64 slotsPerEpoch;
        uint64 secondsPerSlot;
        uint64 genesisTime;
    }

    struct FrameConfig {
        uint64 initialEpoch;
        uint64 epochsPerFrame;
        uint64 fastLaneLengthSlots;
    }

    struct Member {
        uint64 lastReportRefSlot;
        uint64 variant;
    }

    struct Variant {
        bytes32 report;
        uint64 support;
    }

    struct MemberConsensusState {
        uint256 currentFrameRefSlot;
        bytes32 currentFrameConsensusReport;
        bool isMember;
        bool isFastLane;
        bool canReport;
        uint256 lastMemberReportRefSlot;
        bytes32 currentFrameMemberReport;
    }

    ChainConfig private _chain;
    FrameConfig private _frame;
    uint256 private _quorum;
    address private _processor;
    address[] private _addresses;
    Member[] private _members;
    mapping(address => uint256) private _indexPlusOne;
    Variant[] private _variants;
    uint256 private _lastReportRefSlot;
    uint256 private _lastConsensusRefSlot;
    uint256 private _consensusVariant;

    constructor(ChainConfig memory chain, FrameConfig memory frame, address admin, address processor) {
        if (admin == address(0)) revert AdminCannotBeZero();
        _chain = chain;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _setFrameConfig(frame.initialEpoch, frame.epochsPerFrame, frame.fastLaneLengthSlots);
        _setProcessor(processor);
    }

    // ------------------------------------------------------------ frames

    function getChainConfig()
        external
        view
        returns (uint256 slotsPerEpoch, uint256 secondsPerSlot, uint256 genesisTime)
    {
        return (_chain.slotsPerEpoch, _chain.secondsPerSlot, _chain.genesisTime);
    }

    function getFrameConfig()
        external
        view
        returns (uint256 initialEpoch, uint256 epochsPerFrame, uint256 fastLaneLengthSlots)
    {
        return (_frame.initialEpoch, _frame.epochsPerFrame, _frame.fastLaneLengthSlots);
    }

    function getInitialRefSlot() external view returns (uint256) {
        return _refSlotOf(0);
    }

    function getCurrentFrame() public view returns (uint256 refSlot, uint256 reportProcessingDeadlineSlot) {
        uint256 index = _frameIndex();
        return (_refSlotOf(index), _refSlotOf(index + 1));
    }

    function setFrameConfig(uint256 epochsPerFrame, uint256 fastLaneLengthSlots)
        external
        onlyRole(MANAGE_FRAME_CONFIG_ROLE)
    {
        // The current frame begins the new numbering, so its reference slot stays.
        uint256 start = _frame.initialEpoch + _frameIndex() * _frame.epochsPerFrame;
        _setFrameConfig(start, epochsPerFrame, fastLaneLengthSlots);
    }

    function setFastLaneLengthSlots(uint256 fastLaneLengthSlots) external onlyRole(MANAGE_FAST_LANE_CONFIG_ROLE) {
        _setFastLane(fastLaneLengthSlots);
    }

    // ------------------------------------------------------------ members

    function getMembers() external view returns (address[] memory addresses, uint256[] memory lastReportedRefSlots) {
        return _list(0, _addresses.length);
    }

    function getFastLaneMembers()
        external
        view
        returns (address[] memory addresses, uint256[] memory lastReportedRefSlots)
    {
        uint256 total = _addresses.length;
        if (total == 0) return (addresses, lastReportedRefSlots);
        return _list(_frameIndex() % total, _quorum < total ? _quorum : total);
    }

    function getIsMember(address addr) external view returns (bool) {
        return _indexPlusOne[addr] != 0;
    }

    function getIsFastLaneMember(address addr) external view returns (bool) {
        uint256 index = _indexPlusOne[addr];
        return index != 0 && _isFastLane(index - 1);
    }

    function getQuorum() external view returns (uint256) {
        return _quorum;
    }

    function addMember(address addr, uint256 quorum) external onlyRole(MANAGE_MEMBERS_AND_QUORUM_ROLE) {
        if (_indexPlusOne[addr] != 0) revert DuplicateMember();
        _addresses.push(addr);
        _members.push(Member(0, 0));
        _indexPlusOne[addr] = _addresses.length;
        emit MemberAdded(addr, _addresses.length, quorum);
        _setQuorum(quorum);
    }

    /// @dev The last member moves into the hole, which changes the order of the fast lane.
    function removeMember(address addr, uint256 quorum) external onlyRole(MANAGE_MEMBERS_AND_QUORUM_ROLE) {
        uint256 index = _memberIndex(addr);
        Member memory removed = _members[index];
        uint256 last = _addresses.length - 1;
        if (index != last) {
            _addresses[index] = _addresses[last];
            _members[index] = _members[last];
            _indexPlusOne[_addresses[index]] = index + 1;
        }
        _addresses.pop();
        _members.pop();
        delete _indexPlusOne[addr];
        emit MemberRemoved(addr, _addresses.length, quorum);
        if (removed.lastReportRefSlot > 0 && removed.lastReportRefSlot == _lastReportRefSlot && !_isProcessing()) {
            --_variants[removed.variant].support;
        }
        _setQuorum(quorum);
    }

    function setQuorum(uint256 quorum) external {
        bytes32 role = quorum == UNREACHABLE_QUORUM ? DISABLE_CONSENSUS_ROLE : MANAGE_MEMBERS_AND_QUORUM_ROLE;
        _checkRole(role);
        _setQuorum(quorum);
    }

    function disableConsensus() external onlyRole(DISABLE_CONSENSUS_ROLE) {
        _setQuorum(UNREACHABLE_QUORUM);
    }

    // ------------------------------------------------------------ reports

    function getReportProcessor() external view returns (address) {
        return _processor;
    }

    function setReportProcessor(address newProcessor) external onlyRole(MANAGE_REPORT_PROCESSOR_ROLE) {
        _setProcessor(newProcessor);
    }

    function getConsensusState()
        external
        view
        returns (uint256 refSlot, bytes32 consensusReport, bool isReportProcessing)
    {
        (refSlot,) = getCurrentFrame();
        consensusReport = _consensusReport(refSlot);
        isReportProcessing = _lastProcessing() == refSlot;
    }

    function getReportVariants() external view returns (bytes32[] memory variants, uint256[] memory support) {
        (uint256 refSlot,) = getCurrentFrame();
        if (_lastReportRefSlot != refSlot) return (variants, support);
        variants = new bytes32[](_variants.length);
        support = new uint256[](_variants.length);
        for (uint256 i = 0; i < _variants.length; ++i) {
            variants[i] = _variants[i].report;
            support[i] = _variants[i].support;
        }
    }

    function getConsensusStateForMember(address addr) external view returns (MemberConsensusState memory result) {
        (result.currentFrameRefSlot,) = getCurrentFrame();
        result.currentFrameConsensusReport = _consensusReport(result.currentFrameRefSlot);
        uint256 index = _indexPlusOne[addr];
        if (index == 0) return result;
        result.isMember = true;
        result.isFastLane = _isFastLane(index - 1);
        Member memory member = _members[index - 1];
        result.lastMemberReportRefSlot = member.lastReportRefSlot;
        if (member.lastReportRefSlot == result.currentFrameRefSlot) {
            result.currentFrameMemberReport = _variants[member.variant].report;
        }
        bool open = result.isFastLane || !_inFastLane(result.currentFrameRefSlot);
        result.canReport = open && result.currentFrameRefSlot > _lastProcessing();
    }

    function submitReport(uint256 slot, bytes32 report, uint256 consensusVersion) external {
        if (slot == 0 || slot > type(uint64).max) revert InvalidSlot();
        if (report == bytes32(0)) revert EmptyReport();
        uint256 index = _memberIndex(msg.sender);
        uint256 expected = IReportProcessor(_processor).getConsensusVersion();
        if (consensusVersion != expected) revert UnexpectedConsensusVersion(expected, consensusVersion);
        (uint256 refSlot,) = getCurrentFrame();
        if (slot != refSlot) revert StaleReport();
        if (!_isFastLane(index) && _inFastLane(refSlot)) revert NonFastLaneMemberCannotReportWithinFastLaneInterval();
        if (slot <= _lastProcessing()) {
            // Too late to matter. Silent for who has not voted, so that late members do not pay for reverts.
            if (_members[index].lastReportRefSlot == slot) revert ConsensusReportAlreadyProcessing();
            return;
        }
        _vote(index, uint64(slot), report);
    }

    // ------------------------------------------------------------ inside

    function _vote(uint256 index, uint64 slot, bytes32 report) private {
        if (_lastReportRefSlot != slot) {
            delete _variants;
            _lastReportRefSlot = slot;
        }
        uint256 variant = 0;
        while (variant < _variants.length && _variants[variant].report != report) ++variant;
        if (_members[index].lastReportRefSlot == slot) {
            uint64 old = _members[index].variant;
            if (_variants[old].report == report) revert DuplicateReport();
            --_variants[old].support;
        }
        if (variant == _variants.length) _variants.push(Variant(report, 0));
        ++_variants[variant].support;
        _members[index] = Member(slot, uint64(variant));
        emit ReportReceived(slot, msg.sender, report);
        _settle(slot);
    }

    /// @dev Brings consensus in line with votes and quorum: reached, moved to another variant, or lost.
    function _settle(uint256 refSlot) private {
        for (uint256 i = 0; i < _variants.length; ++i) {
            if (_variants[i].support < _quorum) continue;
            if (_lastConsensusRefSlot == refSlot && _consensusVariant == i) return;
            _lastConsensusRefSlot = refSlot;
            _consensusVariant = i;
            emit ConsensusReached(refSlot, _variants[i].report, _variants[i].support);
            uint256 deadline = _chain.genesisTime + _refSlotOf(_frameIndex() + 1) * _chain.secondsPerSlot;
            IReportProcessor(_processor).submitConsensusReport(_variants[i].report, refSlot, deadline);
            return;
        }
        if (_lastConsensusRefSlot != refSlot || refSlot == 0) return;
        _lastConsensusRefSlot = 0;
        emit ConsensusLost(refSlot);
        IReportProcessor(_processor).discardConsensusReport(refSlot);
    }

    function _setQuorum(uint256 quorum) private {
        // A minority must never be enough.
        if (quorum <= _addresses.length / 2) revert QuorumTooSmall(_addresses.length / 2 + 1, quorum);
        if (quorum == _quorum) return;
        uint256 previous = _quorum;
        _quorum = quorum;
        emit QuorumSet(quorum, _addresses.length, previous);
        if (_processor == address(0) || block.timestamp < _timeOf(_frame.initialEpoch)) return;
        (uint256 refSlot,) = getCurrentFrame();
        if (_lastReportRefSlot == refSlot && _lastProcessing() != refSlot) _settle(refSlot);
    }

    function _setFrameConfig(uint256 initialEpoch, uint256 epochsPerFrame, uint256 fastLane) private {
        if (epochsPerFrame == 0) revert EpochsPerFrameCannotBeZero();
        _frame.initialEpoch = uint64(initialEpoch);
        _frame.epochsPerFrame = uint64(epochsPerFrame);
        emit FrameConfigSet(initialEpoch, epochsPerFrame);
        _setFastLane(fastLane);
    }

    function _setFastLane(uint256 slots) private {
        if (slots > uint256(_frame.epochsPerFrame) * _chain.slotsPerEpoch) {
            revert FastLanePeriodCannotBeLongerThanFrame();
        }
        _frame.fastLaneLengthSlots = uint64(slots);
        emit FastLaneConfigSet(slots);
    }

    function _setProcessor(address processor) private {
        if (processor == address(0)) revert ReportProcessorCannotBeZero();
        emit ReportProcessorSet(processor, _processor);
        _processor = processor;
    }

    function _list(uint256 start, uint256 count)
        private
        view
        returns (address[] memory addresses, uint256[] memory lastReportedRefSlots)
    {
        addresses = new address[](count);
        lastReportedRefSlots = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = (start + i) % _addresses.length;
            addresses[i] = _addresses[index];
            lastReportedRefSlots[i] = _members[index].lastReportRefSlot;
        }
    }

    function _memberIndex(address addr) private view returns (uint256) {
        uint256 index = _indexPlusOne[addr];
        if (index == 0) revert NonMember();
        return index - 1;
    }

    /// @dev In frame i the fast lane holds a quorum of members from index i mod N on, wrapping.
    function _isFastLane(uint256 index) private view returns (bool) {
        uint256 total = _addresses.length;
        return (index + total - _frameIndex() % total) % total < _quorum;
    }

    function _inFastLane(uint256 refSlot) private view returns (bool) {
        return _slotNow() <= refSlot + _frame.fastLaneLengthSlots;
    }

    function _isProcessing() private view returns (bool) {
        (uint256 refSlot,) = getCurrentFrame();
        return _lastProcessing() >= refSlot;
    }

    function _consensusReport(uint256 refSlot) private view returns (bytes32) {
        return _lastConsensusRefSlot == refSlot && refSlot != 0 ? _variants[_consensusVariant].report : bytes32(0);
    }

    function _lastProcessing() private view returns (uint256) {
        return IReportProcessor(_processor).getLastProcessingRefSlot();
    }

    function _slotNow() private view returns (uint256) {
        return (block.timestamp - _chain.genesisTime) / _chain.secondsPerSlot;
    }

    function _timeOf(uint256 epoch) private view returns (uint256) {
        return _chain.genesisTime + epoch * _chain.slotsPerEpoch * _chain.secondsPerSlot;
    }

    function _frameIndex() private view returns (uint256) {
        uint256 epoch = _slotNow() / _chain.slotsPerEpoch;
        if (epoch < _frame.initialEpoch) revert InitialEpochIsYetToArrive();
        return (epoch - _frame.initialEpoch) / _frame.epochsPerFrame;
    }

    function _refSlotOf(uint256 index) private view returns (uint256) {
        return (uint256(_frame.initialEpoch) + index * _frame.epochsPerFrame) * _chain.slotsPerEpoch - 1;
    }
}
